"""The queries of runbooks give the output that the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.harness.rules import shipped
from tools.harness.rules.promtool import query_document
from tools.harness.rules.releases import Release
from tools.harness.rules.scenarios import Case, read_cases


CASES = Path(__file__).parent / "alerts"
# Pages whose outputs are of the incident in the case fires_and_resolves.
PAGES = {
    "FanotifyMarkStuck": "FanotifyMarkStuck",
    "FanotifyPermissionDeadlock": "FanotifyPermissionDeadlock",
    "FanotifyPermissionStall": "FanotifyPermissionStall.critical",
    "FanotifyPermissionSlow": "FanotifyPermissionSlow",
    "FanotifyDenialsSurge": "FanotifyDenialsSurge",
    "FanotifyProtectorMissesMount": "FanotifyProtectorMissesMount",
    "FanotifyAccessUnchecked": "FanotifyAccessUnchecked.critical",
    "FanotifyQueueFilling": "FanotifyQueueFilling",
    "InotifyInstancesNearLimit": "InotifyInstancesNearLimit",
    "InotifyWatchesNearLimit": "InotifyWatchesNearLimit",
    "InotifyLimitReached": "InotifyLimitReached",
}
QUERY = re.compile(
    r"^ *\$ promtool query instant \$PROM '(.*)'\n((?:.* => .*\n)*)", re.MULTILINE
)


def queries(page: str, case: Case) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each query of a page with the shown values, by the labels of the case."""
    for query, output in QUERY.findall((shipped.RUNBOOKS / f"{page}.md").read_text()):
        expected = {}
        for line in output.splitlines():
            series, _, value = line.partition(" => ")
            name, _, labels = series.removesuffix("}").partition("{")
            target = [f'job="{case.job}"', 'instance="db1"']
            if query.startswith("sum by"):
                target = []
            inner = ", ".join(filter(None, [labels, *target]))
            expected[f"{name}{{{inner}}}"] = float(value)
        yield query, expected


@pytest.mark.parametrize("page", PAGES)
def test_outputs(
    page: str, release: Release, run: Callable[..., str], tmp_path: Path
) -> None:
    """Each query is valid, and has exactly the shown series and values, if any."""
    cases = {case.name: case for case in read_cases(CASES / f"{PAGES[page]}.yml")}
    case = cases["fires_and_resolves"]
    assert case.expected_alert
    found = list(queries(page, case))
    assert any(expected for _, expected in found)
    for number, (query, expected) in enumerate(found):
        # A query without a shown output must only be valid.
        shown = query if expected else f"0 * count({query}) or vector(0)"
        document = query_document(
            case, {case.expected_alert.at: (shown, expected or {"{}": 0})}
        )
        path = tmp_path / f"{number}.json"  # JSON is YAML
        path.write_text(json.dumps(document))
        run(release.promtool, "test", "rules", str(path))
