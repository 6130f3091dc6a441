"""
A permission listener that does not answer raises an alert until it is killed.

The listener holds back accesses to a scratch file only, and has a watchdog. Durations
of the rules are divided by 60, thresholds are not: the tasks wait for 30 seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.harness.permission.listener import listening
from tools.harness.permission.opener import opening
from tools.harness.processes import poll
from tools.harness.requirements import missing, need
from tools.harness.servers.alertmanager import alertmanager
from tools.harness.servers.prometheus import alerting
from tools.harness.servers.webhook import webhook
from tools.harness.serving import serving


# With /proc as the source, a listener has a name as long as no other program holds
# a permission group.
pytestmark = pytest.mark.whole_host

ALERT = {"alertname": "FanotifyPermissionStall"}
COMM = "wdavdaemon"
TASKS = 7


def test_stall(tmp_path: Path) -> None:
    """
    Seven tasks that wait for 30 seconds notify the pager, until they go on.

    Where the exporter finds tasks in /proc, the alert is a ticket.
    """
    need("gcc")
    scratch = tmp_path / "scratch"
    scratch.write_bytes(b"scratch")
    with (
        webhook() as hook,
        alertmanager(hook.address, tmp_path) as alerts,
        serving(tmp_path / "exporter.log") as exporter,
        listening(comm=COMM) as listener,
    ):
        listener.mark(scratch)
        if not poll(lambda: exporter.samples("fanotify_permission_waiting_tasks")):
            missing("this kernel does not show which tasks wait for a listener")
        target = exporter.addresses[0]
        with alerting(target, alerts.address, tmp_path), opening(scratch, tasks=TASKS):
            firing = hook.wait_for("firing", ALERT)
            is_exact = exporter.samples("fanotify_permission_deadlocked_listeners")
            listener.kill()
            resolved = hook.wait_for("resolved", ALERT)

    severity, receiver = ("critical", "pager") if is_exact else ("warning", "tickets")
    assert [receiver] * 2 == [firing.receiver, resolved.receiver]
    assert {"instance": target, "severity": severity}.items() <= firing.labels.items()
    assert firing.annotations["summary"].startswith(f"Programs on {target} ")
    assert firing.annotations["summary"].endswith(f" for {COMM}")
    assert f" {TASKS} for {COMM} (content); " in firing.annotations["description"]
