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
    'inotify_init_errors_total{comm="kubelet",flags="IN_CLOEXEC",errno="EMFILE"}': {
        30: 1
    },
    'fanotify_marks{comm="systemd",mark_type="mntns",blocking="false"}': {0: 1},
    'fanotify_marks{comm="udisksd",mark_type="mntns",blocking="false"}': {0: 1},
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


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        # Both are blocking programs of one host, and clamonacc loses the marks of
        # deleted folders.
        (DAY, {"FanotifyMultipleBlockingProcesses": 1, "FanotifyProtectionReduced": 1}),
        (STOP, {"FanotifyMultipleBlockingProcesses": 1, "FanotifyProtectorGone": 2}),
    ],
    ids=["day", "stop"],
)
def test_alerts_of_an_hour(
    pages: Mapping[int, str],
    expected: Mapping[str, int],
    release: Release,
    run: Callable[..., str],
    tmp_path: Path,
) -> None:
    """
    Two protectors that start, work and restart raise two tickets on a tracepoint hook.

    If both stop and stay away, each pages once.
    """
    case = parse_case("stock", {"series": played(pages) | DAEMONS, "firing": []})
    query = "count by (alertname) (last_over_time(ALERTS{alertstate='firing'}[1h]))"
    alerts = {f'{{alertname="{alert}"}}': count for alert, count in expected.items()}
    path = tmp_path / "stock.json"  # JSON is YAML
    path.write_text(json.dumps(query_document(case, {timeline.END: (query, alerts)})))
    run(release.promtool, "test", "rules", str(path))


def test_no_page_in_a_day() -> None:
    """The alerts of the day are no pages."""
    severities = {alert.name: alert.severity for alert in shipped.alerts()}
    assert "warning" == severities["FanotifyMultipleBlockingProcesses"]
    assert "warning" == severities["FanotifyProtectionReduced"]
    assert "critical" == severities["FanotifyProtectorGone"]
