"""Log lines about tasks that wait for long: which, how often, and how long."""

from __future__ import annotations

import doctest
import logging
from dataclasses import replace

import pytest

from fanotify_exporter.collectors import wait_warnings
from fanotify_exporter.collectors.wait_warnings import WaitWarnings
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan
from fanotify_exporter.logs.formatters import JsonFormatter, LogfmtFormatter
from fanotify_exporter.uapi.comm import comm_text
from tools.harness.stall import HSM, SCANNED, WDAVDAEMON, stalled


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def one(age: float, at: float = SCANNED, comm: str = "cat") -> WaitScan:
    """Return a pass at *at* with one task that waits for *age* seconds."""
    group = replace(WDAVDAEMON, waiting=1, oldest_since=at - age)
    waiter = Waiter(7, 7, comm, group.address, at - age)
    return WaitScan((group,), (waiter,), at)


def nobody(at: float) -> WaitScan:
    return WaitScan((replace(WDAVDAEMON, waiting=0, oldest_since=None),), (), at)


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records]


def test_stall(caplog: pytest.LogCaptureFixture) -> None:
    """One warning names the listeners, and the ten oldest tasks with their ages."""
    WaitWarnings().observe(stalled())
    (record,) = caplog.records
    assert "WARNING" == record.levelname
    fields = vars(record)
    assert (
        "wdavdaemon[812] content tasks=34 oldest=245s, "
        r"<b>hsm</b>\x2c \x5b9\x5d[4194303] pre_content tasks=2 oldest=12s"
    ) == fields["listeners"]
    assert (36, 245) == (fields["waiting"], fields["oldest_seconds"])
    tasks = fields["oldest_tasks"].split(", ")
    assert 10 == len(tasks)
    assert ["bash[5000] 245s", "<script>a()</s[5000/5001] >=239s"] == tasks[:2]
    assert "FanotifyPermissionStall" == fields["runbook"]
    assert not {"more_listeners", "deadlocked_listeners"} & fields.keys()


def test_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    """In a deadlock, the warning has the number of listeners and the other runbook."""
    WaitWarnings().observe(replace(one(20), deadlocked=frozenset({1, 2})))
    fields = vars(caplog.records[0])
    assert (2, "FanotifyPermissionDeadlock") == (
        fields["deadlocked_listeners"],
        fields["runbook"],
    )


@pytest.mark.parametrize("formatter", [LogfmtFormatter(), JsonFormatter()])
def test_line_is_short(
    caplog: pytest.LogCaptureFixture, formatter: logging.Formatter
) -> None:
    """The longest names, 256 listeners and any number of tasks make a bounded line."""
    comm = comm_text(b"\xff" * 15)
    groups = tuple(
        PermissionGroup(
            n, comm, "pre_content", 4194303 - n, frozenset(), 4096, 0.0, 0, is_cut=True
        )
        for n in range(256)
    )
    waiters = tuple(
        Waiter(4194303, 4194302, comm, n % 256, 0.0, is_since_seen=True)
        for n in range(65_536)
    )
    WaitWarnings().observe(WaitScan(groups, waiters, 1e8))
    (record,) = caplog.records
    line = formatter.format(record)
    assert len(line) < 2500
    assert 1 == len(line.splitlines())
    assert 253 == vars(record)["more_listeners"]


def test_name_cannot_forge_an_entry(caplog: pytest.LogCaptureFixture) -> None:
    """A name with the separators of entries stays one entry, and one line."""
    WaitWarnings().observe(one(99, comm=comm_text(b"x[1] 9s, y\n")))
    (record,) = caplog.records
    tasks = vars(record)["oldest_tasks"]
    assert r"x\x5b1\x5d 9s\x2c y\x0a[7] 99s" == tasks
    assert 1 == len(LogfmtFormatter().format(record).splitlines())


@pytest.mark.parametrize(("age", "number"), [(9.9, 0), (10.0, 1)])
def test_short_waits(caplog: pytest.LogCaptureFixture, age: float, number: int) -> None:
    """Waits shorter than 10 s are not logged."""
    WaitWarnings().observe(one(age))
    assert number == len(caplog.records)


def test_unknown_listener(caplog: pytest.LogCaptureFixture) -> None:
    """A task whose listener is not known is logged too."""
    scan = one(20)
    waiter = replace(scan.waiters[0], group=0)
    WaitWarnings().observe(replace(scan, groups=(), waiters=(waiter,), is_exact=False))
    assert "unknown tasks=1 oldest=20s" == vars(caplog.records[0])["listeners"]


def test_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A stall of five minutes, seen every 2 s, is five warnings and one end."""
    warnings = WaitWarnings()
    for second in range(0, 310, 2):
        warnings.observe(one(second, at=SCANNED + second))
    assert ["WARNING"] * 5 == levels(caplog)
    warnings.observe(nobody(SCANNED + 310))
    warnings.observe(nobody(SCANNED + 312))
    assert ["WARNING"] * 5 + ["INFO"] == levels(caplog)
    assert 308 == vars(caplog.records[-1])["longest_seconds"]


def test_repeated_stalls(caplog: pytest.LogCaptureFixture) -> None:
    """Stalls that come and go are one warning and one end a minute."""
    warnings = WaitWarnings()
    for second in range(0, 60, 4):
        warnings.observe(one(15, at=SCANNED + second))
        warnings.observe(nobody(SCANNED + second + 2))
    assert ["WARNING", "INFO"] == levels(caplog)
    warnings.observe(one(15, at=SCANNED + 60))
    assert ["WARNING", "INFO", "WARNING"] == levels(caplog)


def test_end_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The end of short waits is not logged."""
    warnings = WaitWarnings()
    warnings.observe(one(5))
    warnings.observe(nobody(SCANNED + 2))
    assert [] == caplog.records


def test_examples() -> None:
    """The examples in the docstrings hold."""
    assert 0 == doctest.testmod(wait_warnings).failed


def test_listener_without_long_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Listeners without long waits are not in the warning."""
    short = replace(HSM, oldest_since=SCANNED - 2)
    scan = one(30)
    WaitWarnings().observe(replace(scan, groups=(*scan.groups, short)))
    fields = vars(caplog.records[0])
    assert ("wdavdaemon[812] content tasks=1 oldest=30s", 1) == (
        fields["listeners"],
        fields["waiting"],
    )
