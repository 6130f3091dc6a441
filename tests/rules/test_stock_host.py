"""
An hour of a host with security products raises no page.

Real: recorded/*.txt has lines of the exporter's page, from Linux 6.18 with the
tracepoint hook. fatrace 0.17 and fsnotifywait of Debian 12 ran for seconds. fapolicyd
1.1.7 watched a ramfs in a mount namespace of its own. clamonacc 1.4.6 watched a folder
in which 20 folders came and went, with OnAccessPrevention.

Simulated: the pace (what took seconds takes minutes here), and the daemons in DAEMONS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tools.harness.rules import shipped, timeline
from tools.harness.rules.promtool import query_document
from tools.harness.rules.releases import Release
from tools.harness.rules.scenarios import parse_case
from tools.harness.rules.timeline import Steps


ALERTS = {alert.key: alert for alert in shipped.alerts()}
RECORDED = Path(__file__).parent / "recorded"
# Daemons of a stock host that call inotify only, or watch mount namespaces: systemd
# 258, and udisksd with libmount 2.42.
DAEMONS: dict[str, Steps] = {
    'inotify_init_calls_total{comm="systemd",flags="IN_NONBLOCK|IN_CLOEXEC"}': {
        0: "+2"
    },
    'inotify_init_calls_total{comm="systemd-udevd",flags="IN_CLOEXEC"}': {0: 1},
    'inotify_init_calls_total{comm="containerd",flags="IN_CLOEXEC"}': {0: 3, 30: "+1"},
    'inotify_init_calls_total{comm="kubelet",flags="IN_CLOEXEC"}': {0: 9, 30: "+1"},
    'inotify_add_watch_calls_total{comm="kubelet"}': {0: 90, 30: "+70"},
    'inotify_add_watch_errors_total{comm="kubelet",errno="ENOENT"}': {30: 1},
    'fanotify_marks{comm="systemd",mark_type="mntns",blocking="false"}': {0: 1},
    'fanotify_marks{comm="udisksd",mark_type="mntns",blocking="false"}': {0: 1},
}
OF_FAPOLICYD = 'comm="fapolicyd",class="content"'
OF_CLAMONACC = 'comm="clamonacc",class="content"'
TASKS = "fanotify_permission_waiting_tasks"
OLDEST = "fanotify_permission_oldest_wait_seconds"
DENIED = 'comm="fapolicyd",response="deny",errno="EPERM"'
UNCHECKED = 'comm="fapolicyd",reason="listener_closed"'
# Tasks that wait for listeners of DAY. Two waited when fapolicyd ended in minute 20.
WAITS: dict[str, Steps] = {
    f"{TASKS}{{{OF_FAPOLICYD}}}": {12: 0, 20: "gone", 21: 0},
    f"{OLDEST}{{{OF_FAPOLICYD}}}": {12: 0.002, 20: "gone", 21: 0},
    f"{TASKS}{{{OF_CLAMONACC}}}": {25: 1, 35: 0},
    f"{OLDEST}{{{OF_CLAMONACC}}}": {25: 0.4, 30: 12, 35: 0},
    f"fanotify_permission_responses_total{{{DENIED}}}": {12: 0, 13: "+3", 20: "+0"},
    f"fanotify_unchecked_accesses_total{{{UNCHECKED}}}": {12: 0, 20: 2},
    "fanotify_permission_deadlocked_listeners": {0: 0},
}
DAY = {
    0: "idle",
    5: "fatrace",
    7: "fsnotifywait",
    9: "tools-ended",
    12: "fapolicyd",
    20: "fapolicyd-ended",
    21: "fapolicyd-again",
    25: "clamonacc",
    30: "clamonacc-works",
    40: "clamonacc-removes",
}
STOP = {0: "clamonacc-removes", 10: "both-ended"}


def played(pages: Mapping[int, str]) -> dict[str, Steps]:
    """Return the series of recorded pages, by the minute from which each is scraped."""
    found: dict[str, dict[int, float | str]] = {}
    for minute, page in pages.items():
        values = read(RECORDED / f"{page}.txt")
        for series in {*found, *values}:
            found.setdefault(series, {})[minute] = values.get(series, "gone")
    return dict(found)


def read(path: Path) -> dict[str, float]:
    """Return the samples of a page by their selectors."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        for name, labels, value, *_ in family.samples:
            inner = ",".join(
                f"{key}={json.dumps(text)}" for key, text in labels.items()
            )
            found[f"{name}{{{inner}}}"] = value
    return found


def labels(alert: shipped.Alert) -> str:
    """Return the labels of an element of the query."""
    return f'{{alertname="{alert.name}",severity="{alert.severity}"}}'


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        # Both are blocking programs of one host, clamonacc loses the marks of deleted
        # folders, and fapolicyd restarts while tasks wait.
        (
            played(DAY) | WAITS,
            {
                "FanotifyMultipleBlockingProcesses": 1,
                "FanotifyProtectionReduced": 1,
                "FanotifyAccessUnchecked.warning": 1,
            },
        ),
        (
            played(STOP),
            {"FanotifyMultipleBlockingProcesses": 1, "FanotifyProtectorGone": 2},
        ),
    ],
    ids=["day", "stop"],
)
def test_alerts_of_an_hour(
    hour: Mapping[str, Steps],
    expected: Mapping[str, int],
    release: Release,
    run: Callable[..., str],
    tmp_path: Path,
) -> None:
    """
    Two protectors that start, work and restart raise three tickets, and no page.

    If both stop and stay away, each pages once.
    """
    case = parse_case("stock", {"series": DAEMONS | dict(hour), "firing": []})
    fired = "last_over_time(ALERTS{alertstate='firing'}[1h])"
    query = f"count by (alertname, severity) ({fired})"
    alerts = {labels(ALERTS[key]): count for key, count in expected.items()}
    path = tmp_path / "stock.json"  # JSON is YAML
    path.write_text(json.dumps(query_document(case, {timeline.END: (query, alerts)})))
    run(release.promtool, "test", "rules", str(path))


def test_no_page_in_a_day() -> None:
    """The alerts of the day are no pages."""
    assert "warning" == ALERTS["FanotifyMultipleBlockingProcesses"].severity
    assert "warning" == ALERTS["FanotifyProtectionReduced"].severity
    assert "warning" == ALERTS["FanotifyAccessUnchecked.warning"].severity
    assert "critical" == ALERTS["FanotifyProtectorGone"].severity
