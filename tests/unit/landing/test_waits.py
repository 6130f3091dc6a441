"""The tables of waiting tasks and of their listeners."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fanotify_exporter.commands.waits import to_rows
from fanotify_exporter.landing.page import render
from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.landing.waits import Age, ListenerRow, Waits
from tools.harness.golden import registry
from tools.harness.landing_html import Page
from tools.harness.stall import COMMS, HSM, SCANNED, container, stalled


TASKS, LISTENERS = "Who waits", "Listeners that tasks wait for"

STALL = to_rows(stalled(), container, SCANNED)


def text(waits: Waits | None) -> str:
    summary = SummaryReader().read(registry().scrape().collect())
    return render(summary, "/metrics", "host", 0, waits=waits).decode()


def one(seconds: float, waiting: int = 1, seconds_ago: float = 0.0) -> Waits:
    """Return that *waiting* tasks wait for *seconds*."""
    row = ListenerRow("edr", 1, "content", waiting, is_cut=False, oldest=Age(seconds))
    return Waits([row], [], 0, waiting, seconds_ago, is_exact=True)


NOBODY = Waits([], [], 0, 0, 0.0, is_exact=True)


def test_stall() -> None:
    """The tables come first; rows have names, numbers, ages and containers."""
    page = Page(text(STALL))
    assert [LISTENERS, TASKS] == list(page.tables)[:2]
    header, first, second, *_ = page.tables[TASKS]
    assert ["task", "waits for", "how long"] == header
    assert [
        f"bash pid 5000 {'ab' * 32}",
        "wdavdaemon content",
        "4 minutes",
    ] == first
    assert "pid 5000, tid 5001" in second[0]
    assert "at least 4 minutes" == second[2]
    assert "The oldest waits. 27 more tasks not shown." == page.notes[TASKS]
    assert ["wdavdaemon pid 812, content", "34", "4 minutes"] in page.tables[LISTENERS]
    assert ["unknown", "1", "under 1 second"] in page.tables[LISTENERS]


def test_hostile_names() -> None:
    """Names of tasks, listeners and cgroups are text, and their own titles."""
    page = Page(text(STALL))
    unknown = replace(STALL.listeners[2], oldest=Age(60))
    plain = replace(STALL, tasks=(), listeners=[unknown])
    assert page.elements <= Page(text(plain)).elements
    for name in (STALL.tasks[1].comm, HSM.comm, STALL.tasks[1].container):
        assert name in page.titles
    assert len(COMMS) < len(STALL.tasks)


def test_nobody_waits() -> None:
    """One line says that no task waits."""
    page = text(NOBODY)
    assert "<p>No task waits for the answer of a permission listener.</p>" in page
    assert TASKS not in Page(page).tables


@pytest.mark.parametrize(
    ("waiting", "start"), [(1, "1 task waits for"), (1200, "1,200 tasks wait for")]
)
def test_ordinary_waits(waiting: int, start: str) -> None:
    """Waits under a second are one line, so that a busy page stands still."""
    page = text(one(0.9, waiting))
    assert (
        f"<p>{start} the answer of a permission listener, for under 1 second.</p>"
        in (page)
    )
    assert TASKS not in Page(page).tables
    assert TASKS in Page(text(one(1.0))).tables


def test_unknown() -> None:
    """Without a source the page says nothing about waits."""
    page = text(None)
    assert "permission listener" not in page
    assert TASKS not in Page(page).tables


@pytest.mark.parametrize(
    ("seconds", "note"), [(9.0, ""), (40.0, "As of 40 seconds ago.")]
)
def test_old_figures(seconds: float, note: str) -> None:
    """Figures that are old say how old they are."""
    assert note == Page(text(one(60, seconds_ago=seconds))).notes[LISTENERS]
    assert bool(note) == (
        "As of 40 seconds ago.</p>" in text(replace(NOBODY, seconds_ago=seconds))
    )


def test_guesses() -> None:
    """Tasks that /proc shows have no certain listener, and the table says so."""
    page = Page(text(replace(STALL, is_exact=False)))
    for table in (LISTENERS, TASKS):
        assert "From /proc: the listeners are a guess." in page.notes[table]


def test_cut() -> None:
    """The page says that a number is a lower bound, and that listeners are left out."""
    row = replace(STALL.listeners[0], waiting=4096, is_cut=True)
    page = Page(text(replace(STALL, listeners=[row], omitted_listeners=2)))
    assert "over 4,096" == page.tables[LISTENERS][1][1]
    assert "2 more listeners not shown." == page.notes[LISTENERS]


def test_accessible() -> None:
    """The tables have captions, and header cells a scope."""
    page = text(STALL)
    assert 8 == len(re.findall(r"<table[^>]*>\s*<caption>", page))
    scopes = re.findall(r"<th\b([^>]*)>", page)
    assert [] == [each for each in scopes if not re.match(' scope="(row|col)"', each)]


def test_runbook_link() -> None:
    """A finding links its runbook."""
    assert (
        '/blob/main/docs/runbooks/FanotifyExporterProbeNotAttached.md">Runbook</a>'
        in (text(None))
    )
