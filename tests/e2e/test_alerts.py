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

# Alerts about a protector that removes a mark, with the ends of their texts.
LESS_PROTECTION = {
    "FanotifyProtectionRemoved": (
        "removed blocking marks",
        (
            "It removed marks, and added none in the last 15 minutes. What they "
            "covered is not protected."
        ),
    ),
    "FanotifyProtectionReduced": (
        "has fewer blocking marks",
        "It removed them, or what they covered was deleted or unmounted.",
    ),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("alerts")
    with monitored(folder, tmp_path_factory.mktemp("marked")) as host:
        yield host


def less_protection(host: Host) -> str:
    """Return the alert of LESS_PROTECTION that the exporter's hook can raise."""
    probe = 'fanotify_exporter_probe_attached{probe="fanotify_mark"}'
    hooks = [labels["hook"] for labels, _ in host.prometheus.query(probe)]
    assert hooks
    if any("tracepoint:" in hook for hook in hooks):
        return "FanotifyProtectionReduced"
    return "FanotifyProtectionRemoved"


def test_limit_reached(host: Host) -> None:
    """Refused marks and groups of two programs raise one ticket that names both."""
    marks, groups = host.incidents.out_of_marks, host.incidents.out_of_groups
    text = host.notified("FanotifyLimitReached")

    assert text.summary == (
        f"Programs on {host.instance} are refused fanotify marks or groups"
    )
    assert text.description.startswith(
        "Calls that failed with ENOSPC (marks) or EMFILE (groups) in the last 15 "
        "minutes: "
    )
    assert f" {marks} ENOSPC 1; " in text.description
    assert f" {groups} EMFILE 1; " in text.description


def test_user_near_limit(host: Host) -> None:
    """The user who has used up all groups raises a ticket of its own."""
    uid = str(EXHAUSTING_UID)
    text = host.notified("FanotifyGroupsNearLimit", uid=uid)
    expected = f"User {uid} on {host.instance} is near the limit of fanotify groups"
    assert expected == text.summary


def test_new_blocking_process(host: Host) -> None:
    """Two programs that have blocking marks for the first time raise one ticket."""
    text = host.notified("FanotifyNewBlockingProcess")
    expected = f"A program on {host.instance} can block file access for the first time"
    assert expected == text.summary
    for comm in host.incidents.blockers:
        assert f" {comm} 1; " in text.description


def test_two_blocking_processes(host: Host) -> None:
    """A ticket has the names of both programs; the host may have others."""
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
    """Programs of the distribution that mark a filesystem are named in one ticket."""
    watcher = host.incidents.watchers[program]
    named = f" {watcher.comm} 1 of type filesystem; "

    def texts() -> str:
        alert = {"alertname": "FanotifyUnexpectedWideMark"}
        received = host.webhook.received(alert)
        return "".join(each.annotations["description"] for each in received)

    watcher.shows(lambda: named in texts(), expected=True)
    text = host.notified("FanotifyUnexpectedWideMark")
    expected = f"A program on {host.instance} watches a whole mount or filesystem"
    assert expected == text.summary
    assert named in texts()


def test_unknown_bits(host: Host) -> None:
    """One call with a bit without a name raises a notice, which notifies nobody."""
    notice = {"alertname": "FanotifyUnknownBits"}
    assert poll(lambda: host.alertmanager.alerts(notice))
    (alert,) = host.alertmanager.alerts(notice)
    comm = host.incidents.unknown_bit

    assert "info" == alert["labels"]["severity"]
    assert f" {comm} fanotify_mark 1; " in alert["annotations"]["description"]
    assert [] == host.webhook.received(notice)


def test_protection_removed(host: Host) -> None:
    """
    A protector of the shipped list that removes a mark notifies the pager.

    On a tracepoint hook the marks that are gone raise a ticket instead.

    The test waits until Prometheus has scraped the exporter for 15 minutes, here 15
    seconds. Before that, a count is new only in the first 18 minutes of the exporter,
    and on a busy machine those may already be over.
    """
    known = f"instance:fanotify_counts:present offset {15 * 60 // FACTOR}s"
    assert poll(lambda: host.prometheus.query(known))
    host.protector.go_on()

    alert = less_protection(host)
    summary, description = LESS_PROTECTION[alert]
    expected = Text(
        f"{PROTECTOR} on {host.instance} {summary}",
        f"Blocking marks of {PROTECTOR} that are gone within the last half hour: 1. "
        f"{description}",
    )
    assert expected == host.notified(alert, comm=PROTECTOR)


def test_resolved(host: Host) -> None:
    """When the incidents have ended, every receiver gets a resolved notification."""
    host.end_incidents.close()
    need_few_blockers(host.prometheus)
    fired = [
        host.webhook.received({"alertname": alert})[0]
        for alert in ("FanotifyLimitReached", less_protection(host))
    ]

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
