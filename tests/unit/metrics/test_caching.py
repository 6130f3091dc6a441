"""One reading of a source for all collectors of a scrape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from fanotify_exporter.metrics.caching import OncePerScrape
from fanotify_exporter.metrics.registry import Registry


class Source:
    """A source that counts its readings."""

    def __init__(self) -> None:
        self.readings = 0
        self.failing = False

    def read(self) -> int:
        self.readings += 1
        if self.failing:
            raise OSError("no reading")
        return self.readings


class Reader:
    """A collector of one gauge: the number of the reading."""

    def __init__(self, name: str, read: OncePerScrape[int]) -> None:
        self._name = name
        self._read = read

    def describe(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, "Number of the reading.")

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, "Number of the reading.", self._read())


def test_collectors_of_a_scrape_share_a_reading() -> None:
    """Two collectors of a scrape get the same reading; the next scrape reads again."""
    source = Source()
    read = OncePerScrape(source.read)
    collectors = {name: Reader(name, read) for name in ("first", "second")}
    registry = Registry(collectors, [read])
    assert 0 == source.readings

    for scrape in (1, 2):
        values = {
            family.name: next(iter(family.samples)).value
            for family in registry.scrape().collect()
            if family.name in collectors
        }
        assert {"first": scrape, "second": scrape} == values


def test_nothing_is_kept_between_scrapes() -> None:
    """A reading may be large: it is dropped after the scrape."""
    read = OncePerScrape(Source().read)
    registry = Registry({"first": Reader("first", read)}, [read])
    scrape = registry.scrape()
    list(scrape.collect())
    scrape.end()
    assert [] == read._readings


def test_failed_reading_is_not_shared() -> None:
    """After a failed reading the next call reads again."""
    source = Source()
    read = OncePerScrape(source.read)
    source.failing = True
    with pytest.raises(OSError, match="no reading"):
        read()
    source.failing = False
    assert 2 == read()


def test_memory_is_returned_after_a_scrape() -> None:
    """The registry calls after_scrape once for a scrape, after dropping readings."""
    read = OncePerScrape(Source().read)
    left: list[list[int]] = []
    registry = Registry(
        {"first": Reader("first", read)},
        [read],
        after_scrape=lambda: left.append(list(read._readings)),
    )
    scrape = registry.scrape()
    list(scrape.collect())
    assert [] == left
    scrape.end()
    assert [[]] == left
