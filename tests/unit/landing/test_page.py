"""The page as text: what it says, and that no comm can become markup."""

from __future__ import annotations

import doctest
import os
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser

import pytest

from fanotify_exporter.bpf.samples import Call, Snapshot
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.landing import page as landing
from fanotify_exporter.landing.page import duration, element, failures, rate, render
from fanotify_exporter.landing.summary import SummaryReader
from fanotify_exporter.metrics.registry import Collector, build_registry
from fanotify_exporter.uapi.comm import comm_text
from tools.harness.golden import BOOTED, LOADED, SNAPSHOT, registry


NOW = BOOTED + 1000
VOID = {"meta", "link"}


class Page(HTMLParser):
    """A page as a browser reads it: its tables by caption, and its findings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.notes: dict[str, str] = {}
        self.findings: list[tuple[str, str]] = []
        self.elements: set[str] = set()
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
        elif tag == "table":
            self.rows: list[list[str]] = []
        elif tag == "caption":
            self.caption = ["", ""]
        elif tag == "li":
            self.findings.append((dict(attrs)["class"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()
        if tag == "table":
            self.tables[self.caption[0]] = self.rows
            self.notes[self.caption[0]] = self.caption[1]

    def handle_data(self, data: str) -> None:
        if "caption" in self.open:
            self.caption["small" in self.open] += data
        elif {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data
        elif "li" in self.open:
            level, text = self.findings[-1]
            self.findings[-1] = level, text + data


def page(collectors: Mapping[str, Collector] | None = None) -> Page:
    chosen = registry() if collectors is None else build_registry(collectors)
    return Page(render(SummaryReader(chosen.collect).take(), "/metrics", NOW))


CALLERS, USERS = "Who calls", "Users against their limits"
HOLDERS, EXPORTER = "Groups and marks that exist now", "This exporter"


def counting(*calls: Call, labelling: Labelling | None = None) -> MarkCallsCollector:
    snapshot = Snapshot(BOOTED, {"fanotify_mark": calls}, (), ())
    return MarkCallsCollector(lambda: snapshot, labelling or Labelling())


def test_four_tables() -> None:
    """Callers, users, groups and the exporter itself have a table each."""
    assert [CALLERS, USERS, HOLDERS, EXPORTER] == list(page().tables)


def test_callers() -> None:
    """A row has a caller's name, rate, calls, and what they failed with."""
    head, *rows = page().tables[CALLERS]
    assert ["comm", "per second", "calls", "failed"] == head
    (clamonacc,) = (row for row in rows if row[0].startswith("clamonacc"))
    assert ["clamonacc fanotify_mark", "10,085", "5,041 EINVAL, 3 ENOSPC"] == [
        *(clamonacc[0], clamonacc[2], clamonacc[3])
    ]


def test_full_map() -> None:
    """Calls without a name have a row, and errors without one are unknown."""
    (full,) = (
        row
        for row in page().tables[CALLERS]
        if row[0] == "[other: map full] fanotify_mark"
    )
    assert ["403", "3 unknown"] == full[2:]


def test_holders_and_users() -> None:
    """Who has what now, and how much of the limits that is."""
    assert ["fapolicyd", "1", "11", "9"] in page().tables[HOLDERS]
    assert ["0", "3 of 128 (2%)", "7 of 205,039 (0%)"] in page().tables[USERS]


def test_exporter() -> None:
    """The hooks, what was lost, how full maps are, and what runs."""
    rows = page().tables[EXPORTER]
    assert ["keys in calls_user", "8,192 of 8,192"] in rows
    (lost,) = (state for part, state in rows if part == "lost calls")
    assert lost.startswith("403 fanotify_mark (map_full), 7 fanotify_init (map_full)")
    assert rows[-1][1].endswith("bcc 0.26.0, kernel " + os.uname().release)
    assert [
        ["probe fanotify_mark", "tracepoint:syscalls:sys_enter_fanotify_mark"],
        [
            "probe fanotify_mark",
            "not attached: tracepoint:syscalls:sys_exit_fanotify_mark",
        ],
    ] == rows[1:3]


def test_notices_come_with_names() -> None:
    """What is dangerous is said in sentences, and whose it is."""
    findings = page().findings
    hook = "tracepoint:syscalls:sys_exit_fanotify_mark"
    assert (
        "danger",
        f"Not attached: {hook}. Calls of fanotify_mark are not counted.",
    ) == findings[0]
    assert any(
        text.startswith(
            "These can block others: edr (90,000 blocking marks), "
            "fapolicyd (9 blocking marks). Who"
        )
        for _, text in findings
    )


def test_time_and_version() -> None:
    """The page says of when its figures are."""
    text = render(SummaryReader(registry().collect).take(), "/metrics", 1_750_000_000)
    assert "<time>2025-06-15 15:06:40 UTC</time>" in text


@pytest.mark.parametrize(
    "comm",
    [
        b"<b>x</b>",
        b"<script>x</scri",
        b"</code></th>",
        b"<!--",
        b"]]>&lt;&#60;",
        b"\"'><img src=x>",
        b"' onload=a x='",
        b"a\n\r\tb",
        b"\xff\xfe\x80",
        "\u202egpj.exe".encode(),
        "\u05d0\u05d1 3".encode(),
        b"&amp",
    ],
)
def test_hostile_comm(comm: bytes) -> None:
    """Whatever a thread calls itself is text, the same as in the metrics."""
    text = comm_text(comm)
    collector = counting(Call(text, 1, 0x10000, 22, 7, BOOTED))
    shown = page({"mark_calls": collector})
    assert f"{text} fanotify_mark" == shown.tables[CALLERS][1][0]
    assert shown.elements <= page().elements


def test_long_table_is_cut() -> None:
    """Ten rows are shown, and how many are not."""
    calls = [Call(f"c{n}", 1, 1, 0, n + 1, BOOTED) for n in range(10_000)]
    shown = page({"mark_calls": counting(*calls)})
    assert 1 + 10 == len(shown.tables[CALLERS])
    assert "9,990 more callers not shown." in shown.notes[CALLERS]


def test_comm_that_is_dropped() -> None:
    """With --label.drop=comm one row stands for all."""
    labelling = Labelling(frozenset({"comm"}))
    calls = Call("a", 1, 1, 0, 3, BOOTED), Call("b", 1, 1, 22, 4, BOOTED)
    shown = page({"mark_calls": counting(*calls, labelling=labelling)})
    ((name, _, number, failed),) = shown.tables[CALLERS][1:]
    assert ("all fanotify_mark", "7", "4 EINVAL") == (name, number, failed)


def test_collectors_that_are_off() -> None:
    """A table whose collector is off says that, and has no rows that would lie."""
    shown = page({"exporter_health": ExporterHealthCollector(LOADED, lambda: SNAPSHOT)})
    for caption, collector in ((CALLERS, "mark_calls"), (HOLDERS, "groups")):
        assert (
            f"Not collected: the collector {collector} is off" in shown.notes[caption]
        )
        assert 1 == len(shown.tables[caption])


def test_groups_before_the_first_look() -> None:
    """Until every process was looked at once there is no claim about groups."""
    shown = page({"groups": GroupsCollector(lambda: None)})
    assert "Not known yet" in shown.notes[HOLDERS]


def test_collector_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A collector that fails is named, and its table does not look empty."""

    def fail() -> None:
        raise OSError("no")

    shown = page({"groups": GroupsCollector(fail)})
    assert "failed" in shown.notes[HOLDERS]
    assert ("danger", "Failed: the collector groups") == (
        shown.findings[0][0],
        shown.findings[0][1].split(".")[0],
    )
    assert "collector failed" in caplog.text


def test_limits_that_are_off() -> None:
    """Without limits users have figures, and no shares."""
    from tools.harness.golden import SCAN  # noqa: PLC0415

    shown = page({"groups": GroupsCollector(lambda: SCAN)})
    assert ["0", "3", "7"] in shown.tables[USERS]
    assert "the collector limits is off" in shown.notes[USERS]


@pytest.mark.parametrize(
    ("shape", "number", "text"),
    [
        (rate, 0.0, "0.00"),
        (rate, 0.001, "<0.01"),
        (rate, 12345.678, "12,345.68"),
        (duration, 5.2, "5 seconds"),
        (duration, 150, "2 minutes"),
        (duration, 7200, "2 hours"),
        (duration, 86400 * 400, "400 days"),
    ],
)
def test_numbers_for_people(
    shape: Callable[[float], str], number: float, text: str
) -> None:
    """Numbers have as many digits as mean something."""
    assert text == shape(number)


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ({}, "0"),
        ({"EINVAL": 1200}, "1,200 EINVAL"),
        ({"": 3}, "3 unknown"),
        ({"A": 9, "B": 8, "C": 7, "D": 2, "E": 1}, "9 A, 8 B, 7 C, 3 others"),
    ],
)
def test_failures(errors: Mapping[str, float], text: str) -> None:
    """The most frequent errors have their names, and none is left out."""
    assert text == failures(errors)


def test_tables_can_be_heard() -> None:
    """Who hears the page is told what each table is of, and each row and column."""
    text = render(SummaryReader(registry().collect).take(), "/metrics", NOW)
    assert 4 == text.count("<table><caption>")
    scopes = re.findall(r"<th\b([^>]*)>", text)
    assert len(scopes) > 20
    assert [] == [each for each in scopes if not re.match(' scope="(row|col)"', each)]


def test_style_and_script_stay_whole() -> None:
    """Nothing in them would end their element, or depend on a locale."""
    text = landing.STYLE + landing.SCRIPT
    assert not re.search(r"</|<!--", text)
    assert text.isascii()


def test_examples() -> None:
    """The docstrings' examples hold, and a page is made of escaped text."""
    assert 0 == doctest.testmod(landing).failed
    assert '<p title="&quot;">&amp;</p>' == element("p", "&", title='"')
