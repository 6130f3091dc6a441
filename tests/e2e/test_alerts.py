"""
What a person is told: from calls of real programs to Alertmanager's notifications.

The shipped files are used as they are but for time and addresses: each duration is
divided by 60 (see faster.py), so that 15 minutes are 15 seconds. One exporter, one
Prometheus and one Alertmanager serve all tests. These run in the order of this file:
first everything goes wrong, then it ends, then the exporter does.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tools.harness import shipped
from tools.harness.alertmanager_server import Alertmanager, alertmanager
from tools.harness.faster import DURATION, FACTOR, TIMED, faster, leaves, seconds
from tools.harness.incidents import (
    HOARDER,
    PROTECTOR,
    WATCHERS,
    Incidents,
    happening,
    protected,
)
from tools.harness.listeners import Listener
from tools.harness.processes import poll
from tools.harness.prometheus_server import JOB, Prometheus, alerting
from tools.harness.requirements import missing
from tools.harness.serving import Exporter, serving
from tools.harness.webhook import Webhook, webhook


pytestmark = pytest.mark.whole_host

ALERTS = {alert.name: alert for alert in shipped.alerts()}
RECEIVERS = {"critical": "pager", "warning": "tickets"}


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads."""

    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class Host:
    """A host where things go wrong, and those who watch it."""

    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    webhook: Webhook
    protector: Listener
    incidents: Incidents
    end_incidents: ExitStack

    @property
    def instance(self) -> str:
        return self.exporter.addresses[0]

    def told(self, alert: str, status: str = "firing", **labels: str) -> Text:
        """
        Wait until someone is told of *alert*, and return the text.

        The right receiver must be told, with *labels*, those of the target and no
        others, and where the runbook is.
        """
        severity = ALERTS[alert].severity
        expected = labels | {
            "alertname": alert,
            "severity": severity,
            "job": JOB,
            "instance": self.instance,
            "cluster": "example",
        }
        notice = self.webhook.told(status, expected)
        text = dict(notice.annotations)
        assert RECEIVERS[severity] == notice.receiver
        assert expected == notice.labels
        assert ALERTS[alert].annotations["runbook_url"] == text.pop("runbook_url")
        return Text(**text)


def need_few_blockers(prometheus: Prometheus, *ours: str, within: str = "3s") -> None:
    """Skip if two programs but *ours* had blocking marks: alerts are about those."""
    marks = f"last_over_time(instance_comm:fanotify_blocking_marks:sum[{within}])"

    def others() -> set[str]:
        return {labels["comm"] for labels, _ in prometheus.query(marks)} - {*ours}

    blockers = poll(others, lambda comms: len(comms) < 2)
    if len(blockers) >= 2:
        missing(f"other programs of this machine have blocking marks: {blockers}")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Have a protector first, then who watches the host, then all that goes wrong."""
    folder = tmp_path_factory.mktemp("alerts")
    marked = tmp_path_factory.mktemp("marked")
    with ExitStack() as stack:
        hook = stack.enter_context(webhook())
        told = stack.enter_context(alertmanager(hook.address, folder))
        protector = stack.enter_context(protected(marked))
        exporter = stack.enter_context(serving(folder / "exporter.log"))
        target = exporter.addresses[0]
        prometheus = stack.enter_context(alerting(target, told.address, folder))
        assert poll(lambda: prometheus.query("instance:fanotify_counts:present"))
        need_few_blockers(prometheus)

        ends = stack.enter_context(ExitStack())
        incidents = ends.enter_context(happening(marked))
        yield Host(exporter, prometheus, told, hook, protector, incidents, ends)


@pytest.mark.parametrize(
    "path",
    [*shipped.RULE_FILES, shipped.SCRAPE_EXAMPLE, shipped.ALERTMANAGER_EXAMPLE],
    ids=lambda path: path.name,
)
def test_nothing_but_time_is_changed(path: Path) -> None:
    """Each duration of a file is FACTOR times shorter; all else is as it was."""
    before = list(leaves(yaml.safe_load(path.read_text())))
    after = list(leaves(faster(path)))
    assert [keys for keys, _ in before] == [keys for keys, _ in after]
    for (keys, old), (_, new) in zip(before, after, strict=True):
        if keys[-1] in TIMED:
            shorter = [pytest.approx(each / FACTOR) for each in seconds(old)]
            assert shorter == seconds(new)
            assert DURATION.sub("", old) == DURATION.sub("", new)
        else:
            assert seconds(old) == []
            assert old == new


def test_no_marks_left(host: Host) -> None:
    """One call that failed with ENOSPC wakes someone."""
    comm = host.incidents.out_of_marks
    expected = Text(
        f"{comm} on {host.instance} has no fanotify marks left",
        f"fanotify_mark calls of {comm} that failed with ENOSPC in the last 15 "
        "minutes: 1. Its user is at the limit; what it could not mark, it does not "
        "watch.",
    )
    assert expected == host.told("FanotifyMarkLimitReached", comm=comm, errno="ENOSPC")


def test_no_groups_left(host: Host) -> None:
    """One call that failed with EMFILE wakes someone; that it was near is no news."""
    comm = host.incidents.out_of_groups
    expected = Text(
        f"{comm} on {host.instance} cannot open a fanotify group",
        f"fanotify_init calls of {comm} that failed with EMFILE in the last 15 "
        "minutes: 1. Its user has too many groups, or the process too many open "
        "files; it watches nothing new.",
    )
    assert expected == host.told("FanotifyGroupLimitReached", comm=comm, errno="EMFILE")
    near = {"alertname": "FanotifyGroupsNearLimit", "uid": str(HOARDER)}
    assert poll(lambda: host.alertmanager.inhibited(near))
    assert [] == host.webhook.about(near)


def test_new_blocking_process(host: Host) -> None:
    """Each of two programs that never had blocking marks is a ticket."""
    for comm in host.incidents.blockers:
        expected = Text(
            f"{comm} on {host.instance} can block file access, for the first time",
            f"Blocking marks of {comm}: 1. In the last 14 days it had none on this "
            "host, and it is not listed as a protector. While it does not answer, "
            "what opens the marked files waits.",
        )
        assert expected == host.told("FanotifyNewBlockingProcess", comm=comm)


def test_two_blocking_processes(host: Host) -> None:
    """Both are named to who is woken; another of this machine may be there too."""
    blockers = host.incidents.blockers
    told = host.told("FanotifyMultipleBlockingProcesses")
    need_few_blockers(host.prometheus, *blockers, within="1m")
    number, _, programs = told.summary.partition(" ")

    assert int(number) >= 2
    expected = f"programs on {host.instance} can block file access at the same time"
    assert expected == programs
    assert told.description.startswith(f"Blocking marks on {host.instance}: ")
    for comm in blockers:
        assert f" {comm} has 1; " in told.description
    assert told.description.endswith(
        "; when each waits for the other, every process that opens a file hangs."
    )


@pytest.mark.parametrize("program", WATCHERS)
def test_wide_mark(host: Host, program: str) -> None:
    """A program of the distribution that watches a filesystem is a ticket."""
    watcher = host.incidents.watchers[program]
    comm = watcher.comm
    expected = Text(
        f"{comm} on {host.instance} watches a whole filesystem",
        f"Marks of type filesystem that {comm} holds, or added in the last 15 "
        "minutes: 1. It is not on the list of allowed programs, and such a mark "
        "sees what every user does there.",
    )
    watcher.shows(lambda: bool(host.webhook.about({"comm": comm})), expected=True)
    assert expected == host.told(
        "FanotifyUnexpectedWideMark", comm=comm, mark_type="filesystem"
    )


def test_unknown_bits(host: Host) -> None:
    """One call with a bit that has no name is a ticket, also if it failed."""
    comm = host.incidents.newer
    expected = Text(
        f"{comm} on {host.instance} uses fanotify_mark bits that have no name",
        f"fanotify_mark calls of {comm} in the last 15 minutes with bits that this "
        "exporter does not know: 1. The program is newer than the exporter, or tries "
        "out what the kernel accepts.",
    )
    assert expected == host.told("FanotifyUnknownBits", comm=comm, call="fanotify_mark")


def test_protection_removed(host: Host) -> None:
    """
    A protector of the shipped list that takes its mark away wakes someone.

    Prometheus must have known the exporter for 15 minutes: without that, a count is
    new only in the exporter's first 18 minutes, which a busy machine makes seem short.
    """
    known = f"instance:fanotify_counts:present offset {15 * 60 // FACTOR}s"
    assert poll(lambda: host.prometheus.query(known))
    host.protector.go_on()

    expected = Text(
        f"{PROTECTOR} on {host.instance} removed its fanotify marks",
        f"Calls of {PROTECTOR} that removed or flushed marks in the last 15 minutes: "
        "1; that added marks: none. What they covered is not protected.",
    )
    assert expected == host.told("FanotifyProtectionRemoved", comm=PROTECTOR)


def test_resolved(host: Host) -> None:
    """When all has ended and 15 minutes are over, each who was told is told so."""
    host.end_incidents.close()
    need_few_blockers(host.prometheus)
    comms = {*host.incidents.comms, PROTECTOR}
    fired = [
        notice
        for notice in host.webhook.about({})
        if notice.labels.get("comm") in comms
    ]

    assert len(fired) >= 2
    for notice in fired:
        resolved = host.webhook.told("resolved", notice.labels)
        assert notice.receiver == resolved.receiver
        assert notice.labels == resolved.labels


def test_exporter_down(host: Host, tmp_path: Path) -> None:
    """An exporter that ended is a ticket, until one answers at its address again."""
    alert = "FanotifyExporterDown"
    expected = Text(
        f"Prometheus cannot scrape fanotify-exporter on {host.instance}",
        f"No scrape of {host.instance} worked for 5 minutes. "
        "No other alert of fanotify can be raised meanwhile.",
    )
    host.exporter.stop(signal.SIGTERM)
    assert expected == host.told(alert)

    with serving(tmp_path / "again.log", f"--web.listen-address={host.instance}"):
        assert expected == host.told(alert, "resolved")
