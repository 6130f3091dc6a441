"""Every alert in `promtool test rules`, with the cases in alerts/*.yml."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.harness.rules import shipped
from tools.harness.rules.promtool import documents
from tools.harness.rules.releases import Release
from tools.harness.rules.scenarios import read_cases


CASES = Path(__file__).parent / "alerts"
# Cases that every alert needs.
REQUIRED = {
    *("fires_and_resolves", "does_not_fire"),
    *("counter_reset", "missed_scrape", "first_event"),
}
ALERTS = shipped.alerts()


def test_every_alert_has_its_cases() -> None:
    """Every alert has a file with the required cases and the expected texts."""
    assert {alert.key for alert in ALERTS} == {path.stem for path in CASES.iterdir()}
    for path in CASES.iterdir():
        cases = {case.name: case for case in read_cases(path)}
        assert REQUIRED - set(cases) == set(), path.name
        assert cases["fires_and_resolves"].expected_alert, path.name
        assert not cases["does_not_fire"].firing, path.name


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.key for alert in ALERTS])
def test_alert(
    alert: shipped.Alert, release: Release, run: Callable[..., str], tmp_path: Path
) -> None:
    """The alert fires exactly at the times that each case says."""
    cases = read_cases(CASES / f"{alert.key}.yml")
    files = []
    for number, document in enumerate(documents(alert, cases)):
        files.append(tmp_path / f"{number}.test.json")  # JSON is YAML
        files[-1].write_text(json.dumps(document, indent=1))

    run(release.promtool, "test", "rules", *map(str, files))
