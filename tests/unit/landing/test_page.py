"""The text of the landing page, and the escaping of comms."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Mapping

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.bpf.samples import Call, Snapshot
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.limits import LimitsCollector
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.landing import page as landing
from fanotify_exporter.landing.mounts import UnmarkedMount, UnmarkedMounts
from fanotify_exporter.landing.page import render
from fanotify_exporter.landing.summary import Absence
from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.metrics.registry import Collector, Registry
from fanotify_exporter.uapi.comm import comm_text
from tools.harness.golden import BOOTED, PROC, SCAN, registry
from tools.harness.landing_html import Page


NOW = BOOTED + 1000


def page(collectors: Mapping[str, Collector] | None = None) -> Page:
    chosen = registry() if collectors is None else Registry(collectors)
    return Page(page_text(chosen))


def page_text(
    shown: Registry,
    host: str = "host",
    path: str = "/metrics",
    absences: Mapping[str, Absence] | None = None,
) -> str:
    summary = SummaryReader(absences).read(shown.scrape().collect())
    return render(summary, path, host, NOW).decode()


CALLERS, USERS = "Calls by program", "Users and their limits"
INOTIFY_OWNERS = "Existing inotify instances and watches"
INOTIFY_USERS = "Users of inotify and their limits"
OWNERS, EXPORTER = "Existing groups and marks", "This exporter"


def counting(*calls: Call, labelling: Labelling | None = None) -> MarkCallsCollector:
    snapshot = Snapshot(BOOTED, {"fanotify_mark": calls}, (), ())
    return MarkCallsCollector(lambda: snapshot, labelling or Labelling())


def test_six_tables() -> None:
    """Callers, users, groups, inotify and the exporter have a table each."""
    captions = CALLERS, USERS, INOTIFY_USERS, OWNERS, INOTIFY_OWNERS, EXPORTER
    assert captions == tuple(page().tables)


def test_callers() -> None:
    """A row has a caller's comm, rate, calls and errors."""
    head, *rows = page().tables[CALLERS]
    assert ["comm", "per second", "calls", "failed"] == head
    (clamonacc,) = (row for row in rows if row[0].startswith("clamonacc"))
    assert ["clamonacc fanotify_mark", "10,085", "5,041 EINVAL, 3 ENOSPC"] == [
        *(clamonacc[0], clamonacc[2], clamonacc[3])
    ]


def test_full_map() -> None:
    """Calls without a caller have a row, and their errnos are unknown."""
    (full,) = (
        row
        for row in page().tables[CALLERS]
        if row[0] == "[other: map full] fanotify_mark"
    )
    assert ["403", "3 unknown"] == full[2:]


def test_owners_and_users() -> None:
    """Rows have the existing groups and marks, and their share of the limits."""
    assert ["fapolicyd", "1", "11", "9"] in page().tables[OWNERS]
    assert ["0", "3 of 128 (2%)", "7 of 205,039 (0%)"] in page().tables[USERS]


def test_inotify() -> None:
    """Rows have the instances and watches, and their share of the limits."""
    tables = page().tables
    assert ["code", "1", "41,000"] == tables[INOTIFY_OWNERS][1]
    assert [
        ["1000", "2 of 128 (2%)", "41,001 of 64,000 (64%)"],
        ["0", "2 of 128 (2%)", "15 of 64,000 (0%)"],
    ] == tables[INOTIFY_USERS][1:]


def test_inotify_is_off() -> None:
    """Without the collector, the captions of the tables say so."""
    notes = page({"limits": LimitsCollector(PROC)}).notes
    for caption in (INOTIFY_OWNERS, INOTIFY_USERS):
        assert "the collector inotify is off" in notes[caption]


def test_exporter() -> None:
    """Rows have the probes, the lost calls, the map entries and the build."""
    rows = page().tables[EXPORTER]
    assert ["entries in calls_user", "1,024 of 1,024"] in rows
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


def test_findings() -> None:
    """Findings are sentences, most severe first, with the comms they are about."""
    findings = page().findings
    attach_point = "tracepoint:syscalls:sys_exit_fanotify_mark"
    assert (
        "danger",
        (
            f"Not attached: {attach_point}. Calls of fanotify_mark are not counted "
            "while kernel.ftrace_enabled is 0. Runbook"
        ),
    ) in findings
    assert "danger" == findings[0][0]
    assert any(
        text.startswith(
            "Programs that can block file access: edr (90,000 blocking marks), "
            "fapolicyd (9 blocking marks). A process"
        )
        for _, text in findings
    )


def test_header() -> None:
    """The page names the host, the purpose and the time, and links documentation."""
    text = page_text(registry(), "web1.example")
    assert "<title>fanotify-exporter on web1.example</title>" in text
    assert f"{__version__} on web1.example</small></h1>" in text
    assert "<p>Shows who uses fanotify and inotify on this host" in text
    assert "<time>2025-06-15 15:23:20 UTC</time>" in text
    for link in ("/metrics", f"{landing.REPOSITORY}#readme"):
        assert f'<a href="{link}">' in text


def test_rates_are_averages() -> None:
    """The caption says over which time the rates average."""
    assert "Per second: average over the last " in page().notes[CALLERS]


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
    """Any comm is shown as text, as in the metrics, and is also the title."""
    text = comm_text(comm)
    collector = counting(Call(text, 1, 0x10000, 22, 7, BOOTED))
    shown = page({"mark_calls": collector})
    shown_text = " ".join(text.split())
    assert f"{shown_text} fanotify_mark" == shown.tables[CALLERS][1][0]
    assert [text] == shown.titles
    assert shown.elements <= page().elements


def test_long_table() -> None:
    """A table has at most ten rows, and the number of omitted rows."""
    calls = [Call(f"c{n}", 1, 1, 0, n + 1, BOOTED) for n in range(1010)]
    shown = page({"mark_calls": counting(*calls)})
    assert 1 + 10 == len(shown.tables[CALLERS])
    assert "1,000 more callers not shown." in shown.notes[CALLERS]


def test_dropped_comm() -> None:
    """With --label.drop=comm one row has the sum over all comms."""
    labelling = Labelling(frozenset({"comm"}))
    calls = Call("a", 1, 1, 0, 3, BOOTED), Call("b", 1, 1, 22, 4, BOOTED)
    shown = page({"mark_calls": counting(*calls, labelling=labelling)})
    ((name, _, number, failed),) = shown.tables[CALLERS][1:]
    assert ("all fanotify_mark", "7", "4 EINVAL") == (name, number, failed)


def test_disabled_collectors() -> None:
    """A table whose collector is disabled says so, and is empty."""
    shown = page({"exporter_health": ExporterHealthCollector("")})
    for caption, collector in ((CALLERS, "mark_calls"), (OWNERS, "groups")):
        assert (
            f"Not collected: the collector {collector} is off" in shown.notes[caption]
        )
        assert 1 == len(shown.tables[caption])


def test_groups_before_the_first_scan() -> None:
    """Before the first scan is complete, the table says that groups are unknown."""
    groups = Registry({"groups": GroupsCollector(lambda: None)})
    absence = Absence("fanotify_groups", "until the first scan has finished")
    shown = Page(page_text(groups, absences={"groups": absence}))
    assert "Unknown until the first scan has finished." in shown.notes[OWNERS]


def test_limitations() -> None:
    """What parts of the exporter lack is in the table about the exporter."""
    limitations = {"permission waits": "not counted: <no> BTF"}
    summary = SummaryReader(limitations=limitations).read(registry().scrape().collect())
    shown = Page(render(summary, "/metrics", "host", NOW).decode())
    assert ["permission waits", "not counted: <no> BTF"] in shown.tables[EXPORTER]


def test_collector_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A failed collector is a finding, and its table says that it failed."""

    def fail() -> None:
        raise OSError("no")

    shown = page({"groups": GroupsCollector(fail)})
    assert "failed" in shown.notes[OWNERS]
    assert ("danger", "Failed: the collector groups") == (
        shown.findings[0][0],
        shown.findings[0][1].split(".")[0],
    )
    assert "collector failed" in caplog.text


def test_disabled_limits() -> None:
    """Without the collector limits, users have counts without shares."""
    shown = page({"groups": GroupsCollector(lambda: SCAN)})
    assert ["0", "3", "7"] in shown.tables[USERS]
    assert "the collector limits is off" in shown.notes[USERS]


def test_accessible_tables() -> None:
    """Tables have captions, and header cells a scope, for screen readers."""
    text = page_text(registry())
    assert 6 == len(re.findall(r"<table>\s*<caption>", text))
    scopes = re.findall(r"<th\b([^>]*)>", text)
    assert len(scopes) > 20
    assert [] == [each for each in scopes if not re.match(' scope="(row|col)"', each)]


def test_style_and_script() -> None:
    """Neither file can end its element, and both are ASCII in any locale."""
    text = landing.STYLE + landing.SCRIPT
    assert not re.search(r"</|<!--", text)
    assert text.isascii()


def test_hostile_path_and_host() -> None:
    """A path or a host name with markup stays inside its attribute or element."""
    text = page_text(registry(), "<script>", '/"><script>alert(1)</script>')
    assert 1 == text.count("<script>")  # the page's own
    assert '<a href="/&quot;&gt;&lt;script&gt;' in text


def test_rendering_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page are read at import, never during a request."""
    summary = SummaryReader().read(registry().scrape().collect())

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert b"</html>" in render(summary, "/metrics", "host", NOW)


UNMARKED = UnmarkedMounts(
    [
        UnmarkedMount("fapolicyd", "/mnt/<b>\u2026", "ext4", marks_others=True),
        UnmarkedMount("<i>", "/run", "tmpfs", marks_others=False),
    ],
    omitted=3,
)


def test_unmarked_mounts() -> None:
    """Mounts that programs which block do not cover have a table, with any path."""
    summary = SummaryReader().read(registry().scrape().collect())
    shown = Page(render(summary, "/metrics", "host", NOW, unmarked=UNMARKED).decode())
    assert [
        ["comm", "mount point", "type"],
        ["fapolicyd", "/mnt/<b>\u2026", "ext4 others are marked"],
        ["<i>", "/run", "tmpfs"],
    ] == shown.tables["Mounts without a blocking mark"]
    assert "/mnt/<b>\u2026" in shown.titles
    assert "3 more mounts not shown." in shown.notes["Mounts without a blocking mark"]


@pytest.mark.parametrize("unmarked", [None, UnmarkedMounts([])])
def test_no_unmarked_mounts(unmarked: UnmarkedMounts | None) -> None:
    """Without such mounts there is no table."""
    summary = SummaryReader().read(registry().scrape().collect())
    shown = Page(render(summary, "/metrics", "host", NOW, unmarked=unmarked).decode())
    assert "Mounts without a blocking mark" not in shown.tables
