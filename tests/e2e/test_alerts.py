"""
Calls of real programs lead to the right notifications of Alertmanager.

Prometheus and Alertmanager load the shipped files with other addresses and with every
duration divided by 60 (tools/harness/rules/durations.py): 15 minutes become 15 seconds.
All tests share one exporter, one Prometheus and one Alertmanager, and run in the order
of this file. All incidents begin before the first test. They end in test_resolved; the
exporter ends in test_exporter_down.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.incidents import EXHAUSTING_UID, PROTECTOR, WATCHERS
from tools.harness.monitored_host import Host, Text, monitored, need_few_blockers
from tools.harness.processes import poll
from tools.harness.rules.durations import FACTOR
from tools.harness.serving import serving


pytestmark = pytest.mark.whole_host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("alerts")
    with monitored(folder, tmp_path_factory.mktemp("marked")) as host:
        yield host


def test_no_marks_left(host: Host) -> None:
    """One call that fails with ENOSPC notifies the pager."""
    comm = host.incidents.out_of_marks
    expected = Text(
        f"{comm} on {host.instance} has no fanotify marks left",
        f"fanotify_mark calls of {comm} that failed with ENOSPC in the last 15 "
        "minutes: 1. Its user is at the limit; what it could not mark, it does not "
        "watch.",
    )
    assert expected == host.notified(
        "FanotifyMarkLimitReached", comm=comm, errno="ENOSPC"
    )


def test_no_groups_left(host: Host) -> None:
    """One call that fails with EMFILE notifies the pager; the near alert is silent."""
    comm = host.incidents.out_of_groups
    expected = Text(
        f"{comm} on {host.instance} cannot open a fanotify group",
        f"fanotify_init calls of {comm} that failed with EMFILE in the last 15 "
        "minutes: 1. Its user has too many groups, or the process too many open "
        "files; it watches nothing new.",
    )
    assert expected == host.notified(
        "FanotifyGroupLimitReached", comm=comm, errno="EMFILE"
    )
    near = {"alertname": "FanotifyGroupsNearLimit", "uid": str(EXHAUSTING_UID)}
    assert poll(lambda: host.alertmanager.inhibited(near))
    assert [] == host.webhook.received(near)


def test_new_blocking_process(host: Host) -> None:
    """Each program that has blocking marks for the first time raises a ticket."""
    for comm in host.incidents.blockers:
        expected = Text(
            f"{comm} on {host.instance} can block file access, for the first time",
            f"Blocking marks of {comm}: 1. In the last 14 days it had none on this "
            "host, and it is not listed as a protector. While it does not answer, "
            "what opens the marked files waits.",
        )
        assert expected == host.notified("FanotifyNewBlockingProcess", comm=comm)


def test_two_blocking_processes(host: Host) -> None:
    """The pager gets the names of both programs; the host may have others."""
    blockers = host.incidents.blockers
    text = host.notified("FanotifyMultipleBlockingProcesses")
    need_few_blockers(host.prometheus, *blockers, within="1m")
    number, _, programs = text.summary.partition(" ")

    assert int(number) >= 2
    expected = f"programs on {host.instance} can block file access at the same time"
    assert expected == programs
    assert text.description.startswith(f"Blocking marks on {host.instance}: ")
    for comm in blockers:
        assert f" {comm} has 1; " in text.description
    assert text.description.endswith(
        "; when each waits for the other, every process that opens a file hangs."
    )


@pytest.mark.parametrize("program", WATCHERS)
def test_wide_mark(host: Host, program: str) -> None:
    """A program of the distribution that marks a filesystem raises a ticket."""
    watcher = host.incidents.watchers[program]
    comm = watcher.comm
    expected = Text(
        f"{comm} on {host.instance} watches a whole filesystem",
        f"Marks of type filesystem that {comm} holds, or added in the last 15 "
        "minutes: 1. It is not on the list of allowed programs, and such a mark "
        "sees what every user does there.",
    )
    watcher.shows(lambda: bool(host.webhook.received({"comm": comm})), expected=True)
    assert expected == host.notified(
        "FanotifyUnexpectedWideMark", comm=comm, mark_type="filesystem"
    )


def test_unknown_bits(host: Host) -> None:
    """One call with a bit without a name raises a ticket, even if the call fails."""
    comm = host.incidents.unknown_bit
    expected = Text(
        f"{comm} on {host.instance} uses fanotify_mark bits that have no name",
        f"fanotify_mark calls of {comm} in the last 15 minutes with bits that this "
        "exporter does not know: 1. The program is newer than the exporter, or tries "
        "out what the kernel accepts.",
    )
    assert expected == host.notified(
        "FanotifyUnknownBits", comm=comm, call="fanotify_mark"
    )


def test_protection_removed(host: Host) -> None:
    """
    A protector of the shipped list that removes its mark notifies the pager.

    The test waits until Prometheus has scraped the exporter for 15 minutes, here 15
    seconds. Before that, a count is new only in the first 18 minutes of the exporter,
    and on a busy machine those may already be over.
    """
    known = f"instance:fanotify_counts:present offset {15 * 60 // FACTOR}s"
    assert poll(lambda: host.prometheus.query(known))
    host.protector.go_on()

    expected = Text(
        f"{PROTECTOR} on {host.instance} removed its fanotify marks",
        f"Calls of {PROTECTOR} that removed or flushed marks in the last 15 minutes: "
        "1; that added marks: none. What they covered is not protected.",
    )
    assert expected == host.notified("FanotifyProtectionRemoved", comm=PROTECTOR)


def test_resolved(host: Host) -> None:
    """When the incidents have ended, every receiver gets a resolved notification."""
    host.end_incidents.close()
    need_few_blockers(host.prometheus)
    comms = {*host.incidents.comms, PROTECTOR}
    fired = [
        notification
        for notification in host.webhook.received({})
        if notification.labels.get("comm") in comms
    ]

    assert len(fired) >= 2
    for notification in fired:
        resolved = host.webhook.wait_for("resolved", notification.labels)
        assert notification.receiver == resolved.receiver
        assert notification.labels == resolved.labels


def test_exporter_down(host: Host, tmp_path: Path) -> None:
    """A stopped exporter raises a ticket, which resolves when an exporter answers."""
    alert = "FanotifyExporterDown"
    expected = Text(
        f"Prometheus cannot scrape fanotify-exporter on {host.instance}",
        f"No scrape of {host.instance} worked for 5 minutes. "
        "No other alert of fanotify can be raised meanwhile.",
    )
    host.exporter.stop(signal.SIGTERM)
    assert expected == host.notified(alert)

    with serving(tmp_path / "again.log", f"--web.listen-address={host.instance}"):
        assert expected == host.notified(alert, "resolved")
