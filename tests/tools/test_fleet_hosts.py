"""What stands for a fleet in the benchmark is a page like the exporter's, and moves."""

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
    """Each host gives the series that the exporter gave, and no others."""
    page = OPENMETRICS.read_text()
    assert values(page).keys() == values(Host(page).page()).keys()


def test_counters_grow_and_what_stands_still_does() -> None:
    """From scrape to scrape most counters are others, none falls, limits stay."""
    host = Host(OPENMETRICS.read_text())
    before, after = values(host.page()), values(host.page())
    counters = [each for each in before if each[0].endswith("_total")]
    still = [each for each in before if "_limit_" in each[0] or "_created" in each[0]]

    assert all(before[each] <= after[each] for each in counters)
    assert len(counters) / 2 < sum(before[each] < after[each] for each in counters)
    assert still
    assert [before[each] for each in still] == [after[each] for each in still]


def test_two_hosts_differ() -> None:
    """Hosts of a fleet do not have the same figures."""
    page = OPENMETRICS.read_text()
    assert Host(page).page() != Host(page).page()
