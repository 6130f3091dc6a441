"""Run incidents, the exporter, Prometheus and Alertmanager, up to notifications."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.harness.incidents import Incidents, happening, protected
from tools.harness.listeners import Listener
from tools.harness.processes import poll
from tools.harness.requirements import missing
from tools.harness.rules import shipped
from tools.harness.servers.alertmanager import Alertmanager, alertmanager
from tools.harness.servers.prometheus import JOB, Prometheus, alerting
from tools.harness.servers.webhook import Webhook, webhook
from tools.harness.serving import Exporter, serving


ALERTS = {alert.name: alert for alert in shipped.alerts()}
# Notices (severity info) notify nobody.
RECEIVERS = {"critical": "pager", "warning": "tickets"}


@dataclass(frozen=True, slots=True)
class Text:
    """The texts of an alert."""

    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class Host:
    """The running programs and servers of all tests."""

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

    def notified(self, alert: str, status: str = "firing", **labels: str) -> Text:
        """
        Wait for a notification about *alert*, and return its texts.

        Asserts that the right receiver got the notification, that its labels are
        *labels* and the labels of the target, and that it has the URL of the runbook.
        """
        severity = ALERTS[alert].severity
        expected = labels | {
            "alertname": alert,
            "severity": severity,
            "job": JOB,
            "instance": self.instance,
            "cluster": "example",
        }
        notification = self.webhook.wait_for(status, expected)
        text = dict(notification.annotations)
        assert RECEIVERS[severity] == notification.receiver
        assert expected == notification.labels
        assert ALERTS[alert].annotations["runbook_url"] == text.pop("runbook_url")
        return Text(**text)


def need_few_blockers(prometheus: Prometheus, *own: str, within: str = "3s") -> None:
    """Skip the test if two programs other than *own* have blocking marks."""
    marks = f"last_over_time(instance_comm:fanotify_blocking_marks:sum[{within}])"

    def others() -> set[str]:
        return {labels["comm"] for labels, _ in prometheus.query(marks)} - {*own}

    blockers = poll(others, lambda comms: len(comms) < 2)
    if len(blockers) >= 2:
        missing(f"other programs of this machine have blocking marks: {blockers}")


@contextmanager
def monitored(folder: Path, marked: Path) -> Iterator[Host]:
    """
    Start the protector, then the servers, then the incidents.

    Args:
        folder: for configurations, data and logs of the servers.
        marked: for the files that the programs mark.
    """
    with ExitStack() as stack:
        hook = stack.enter_context(webhook())
        alerts = stack.enter_context(alertmanager(hook.address, folder))
        protector = stack.enter_context(protected(marked))
        exporter = stack.enter_context(serving(folder / "exporter.log"))
        target = exporter.addresses[0]
        prometheus = stack.enter_context(alerting(target, alerts.address, folder))
        assert poll(lambda: prometheus.query("instance:fanotify_counts:present"))
        need_few_blockers(prometheus)

        ends = stack.enter_context(ExitStack())
        incidents = ends.enter_context(happening(marked))
        yield Host(exporter, prometheus, alerts, hook, protector, incidents, ends)
