"""Each alert under `promtool test rules`: alerts/*.yml says what happens and when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.harness import shipped
from tools.harness.releases import Release
from tools.harness.scenarios import documents, read_cases


CASES = Path(__file__).parent / "alerts"
KINDS = {
    *("fires_and_resolves", "does_not_fire"),
    *("counter_reset", "missed_scrape", "first_event"),
}
ALERTS = shipped.alerts()


def test_every_alert_has_its_cases() -> None:
    """A file for each alert and none more; each has every kind, and the text once."""
    assert {alert.name for alert in ALERTS} == {path.stem for path in CASES.iterdir()}
    for path in CASES.iterdir():
        cases = {case.name: case for case in read_cases(path)}
        assert KINDS - set(cases) == set(), path.name
        assert cases["fires_and_resolves"].told, path.name
        assert not cases["does_not_fire"].firing, path.name


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
def test_alert(
    alert: shipped.Alert, release: Release, run: Callable[..., str], tmp_path: Path
) -> None:
    """At each minute of each case the alert fires if, and only if, the case says so."""
    cases = read_cases(CASES / f"{alert.name}.yml")
    files = []
    for number, document in enumerate(documents(alert, cases)):
        files.append(tmp_path / f"{number}.test.json")  # JSON is YAML
        files[-1].write_text(json.dumps(document, indent=1))

    run(release.promtool, "test", "rules", *map(str, files))
