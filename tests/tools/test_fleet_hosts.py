"""The pages of the hosts in tools.bench.fleet are like the exporter's and change."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tools.bench.fleet_hosts import Host
from tools.harness.golden import OPENMETRICS


Series = tuple[str, str]


def values(page: str) -> dict[Series, float]:
    """Return the values of a page by name and labels."""
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


def test_a_host_has_the_series_of_the_page() -> None:
    """A host has the series of the exporter, and no others."""
    page = OPENMETRICS.read_text()
    assert values(page).keys() == values(Host(page).page()).keys()


def test_counters_grow_and_limits_stay() -> None:
    """Between two scrapes most counters grow, none falls, and limits stay the same."""
    host = Host(OPENMETRICS.read_text())
    before, after = values(host.page()), values(host.page())
    counters = [each for each in before if each[0].endswith("_total")]
    constant = [each for each in before if each[0].endswith("_limit")]

    assert all(before[each] <= after[each] for each in counters)
    assert len(counters) / 2 < sum(before[each] < after[each] for each in counters)
    assert constant
    assert [before[each] for each in constant] == [after[each] for each in constant]


def test_two_hosts_differ() -> None:
    """Two hosts have different figures."""
    page = OPENMETRICS.read_text()
    assert Host(page).page() != Host(page).page()
