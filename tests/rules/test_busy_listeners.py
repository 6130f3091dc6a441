"""
A user who gives much work to permission listeners raises one alert of a kind.

A user without CAP_SYS_ADMIN can make no permission listener. The alerts are true: tasks
wait, and accesses go ahead. So two of them are pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tools.harness.rules import shipped
from tools.harness.rules.promtool import query_document
from tools.harness.rules.releases import Release
from tools.harness.rules.scenarios import parse_case
from tools.harness.rules.timeline import Steps


# Interval of a tick, tick at which alerts fire, and severities of the alerts.
Incident = tuple[str, int, dict[str, str]]

MINUTES: Incident = (
    "1m",
    35,
    {
        # Large archives that a scanner reads for a long time.
        "FanotifyPermissionStall": "critical",
        "FanotifyPermissionSlow": "warning",
        # Files that are closed faster than a listener reads its queue.
        "FanotifyAccessUnchecked": "critical",
    },
)
HOURS: Incident = (
    "1h",
    50,
    {
        # Programs that are not allowed, started again and again.
        "FanotifyDenialsSurge": "warning",
        "FanotifyPermissionStall": "critical",
    },
)
# Where the tasks come from /proc, short waits look like long ones.
FROM_PROC: Incident = (
    *MINUTES[:2],
    MINUTES[2] | {"FanotifyPermissionStall": "warning"},
)


def waits(name: str) -> Iterator[tuple[str, Steps]]:
    """Yield the series of a listener that the user keeps busy from tick 20 on."""
    own = f'comm="{name}",class="content"'
    yield f"fanotify_permission_oldest_wait_seconds{{{own}}}", {20: 100}
    yield f"fanotify_permission_waiting_tasks{{{own}}}", {0: 0, 20: 90}
    bucket = "fanotify_permission_wait_seconds_bucket"
    yield f'{bucket}{{{own},le="30.0"}}', {0: 0}
    yield f'{bucket}{{{own},le="+Inf"}}', {0: 0, 20: "+60"}
    denied = f'comm="{name}",response="deny",errno="EPERM"'
    yield f"fanotify_permission_responses_total{{{denied}}}", {0: 0, 50: 9000}
    unchecked = f'comm="{name}",reason="queue_full"'
    yield f"fanotify_unchecked_accesses_total{{{unchecked}}}", {20: 9000}


@pytest.mark.parametrize(
    "incident", [MINUTES, HOURS, FROM_PROC], ids=["minutes", "hours", "from_proc"]
)
def test_busy_listeners(
    incident: Incident,
    release: Release,
    run: Callable[..., str],
    tmp_path: Path,
) -> None:
    """Three busy listeners raise one alert of a kind."""
    interval, at, firing = incident
    series: dict[str, Steps] = {}
    if firing["FanotifyPermissionStall"] == "critical":
        series["fanotify_permission_deadlocked_listeners"] = {0: 0}
    for name in ("fapolicyd", "clamonacc", "avd"):
        series |= dict(waits(name))
    case = parse_case("busy", {"series": series, "firing": [], "interval": interval})
    expected = {
        f'{{alertname="{alert}",severity="{severity}"}}': 1
        for alert, severity in firing.items()
    }
    query = "count by (alertname, severity) (ALERTS{alertstate='firing'})"
    path = tmp_path / "busy.json"  # JSON is YAML
    path.write_text(json.dumps(query_document(case, {at: (query, expected)})))
    run(release.promtool, "test", "rules", str(path))


def test_raised_alerts_hide_no_other() -> None:
    """No alert that the user can raise inhibits another."""
    rules = yaml.safe_load(shipped.ALERTMANAGER_EXAMPLE.read_text())["inhibit_rules"]
    sources = " ".join(each for rule in rules for each in rule["source_matchers"])
    raised = {*MINUTES[2], *HOURS[2]}
    assert set() == {alert for alert in raised if alert in sources}
    assert "FanotifyPermissionDeadlock" in sources
