"""A real Alertmanager inhibits the alerts that the example says, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tools.harness.processes import poll
from tools.harness.rules import shipped
from tools.harness.rules.releases import Release
from tools.harness.servers.alertmanager import alertmanager


SEVERITIES = {alert.key: alert.severity for alert in shipped.alerts()}
# The alert of the first column inhibits the other of the same host.
INHIBITED = [
    ("FanotifyExporterDown", "FanotifyPermissionSlow"),
    ("FanotifyProtectorRefused", "FanotifyLimitReached"),
    ("FanotifyMultipleBlockingProcesses", "FanotifyNewBlockingProcess"),
    ("FanotifyPermissionDeadlock", "FanotifyPermissionStall.critical"),
    ("FanotifyProtectionRemoved", "FanotifyProtectorGone"),
]
# Alerts that inhibit no other of the same host.
INDEPENDENT = [
    ("FanotifyExporterDown", "FanotifyPermissionStall.critical"),
    ("FanotifyExporterDown", "FanotifyAccessUnchecked.critical"),
    ("FanotifyPermissionStall.critical", "FanotifyPermissionSlow"),
    ("FanotifyPermissionStall.critical", "FanotifyDenialsSurge"),
    ("FanotifyPermissionDeadlock", "FanotifyAccessUnchecked.critical"),
    ("FanotifyAccessUnchecked.critical", "FanotifyProtectorGone"),
]


def labels(key: str, host: str) -> dict[str, str]:
    """Return the labels of an alert about *host*, which has the label comm always."""
    return {
        "alertname": key.partition(".")[0],
        "severity": SEVERITIES[key],
        "cluster": "example",
        "job": "fanotify",
        "instance": host,
        "comm": "fapolicyd",
    }


def test_inhibitions(release: Release, run: Callable[..., str], tmp_path: Path) -> None:
    """
    Of each pair the second alert is inhibited, on the host of the first one only.

    The alerts without a first one on their host are on hosts called alone-...
    """
    pairs = [*INHIBITED, *INDEPENDENT]
    alerts = [labels(target, f"alone-{source}") for source, target in pairs]
    for number, pair in enumerate(pairs):
        alerts += [labels(key, f"db{number}") for key in pair]

    with alertmanager("127.0.0.1:9", tmp_path, release.alertmanager) as server:
        amtool = [release.amtool, f"--alertmanager.url=http://{server.address}"]
        for alert in alerts:
            arguments = [f"{name}={value}" for name, value in alert.items()]
            run(*amtool, "alert", "add", *arguments)

        def added() -> list[dict[str, str]]:
            return [each["labels"] for each in server.alerts({"job": "fanotify"})]

        assert len(alerts) == len(poll(added, lambda found: len(found) == len(alerts)))
        query = run(*amtool, "--output=json", "alert", "query", "--inhibited")

    expected = {
        (f"db{number}", labels(target, "")["alertname"])
        for number, (_, target) in enumerate(INHIBITED)
    }
    inhibited = [each["labels"] for each in json.loads(query)]
    assert expected == {(each["instance"], each["alertname"]) for each in inhibited}
