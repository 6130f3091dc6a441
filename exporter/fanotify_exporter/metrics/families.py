"""Metric families: what the encoders need, counters and histograms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString


class Family(Protocol):
    """A metric family: one of this module, or a Metric of prometheus-client."""

    @property
    def name(self) -> str:
        """The name, of a counter without ``_total``."""

    @property
    def documentation(self) -> str:
        """The HELP text."""

    @property
    def type(self) -> str:
        """The type, such as "counter"."""

    @property
    def samples(self) -> Iterable[Sample]:
        """The samples, in the order of the exposition."""


class IncompleteError(Exception):
    """
    A collector failed after it had finished some families.

    Attributes:
        families: the families that the scrape keeps.
    """

    def __init__(self, why: str, families: Iterable[Family]) -> None:
        """Keep *families* in the scrape."""
        super().__init__(why)
        self.families = tuple(families)


class CounterFamily:
    """
    A counter family that makes each sample only when the sample is read.

    A Metric of prometheus-client holds about 400 bytes for each sample.
    """

    type = "counter"

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        created: bool = False,
    ) -> None:
        """Start with no series. With *created* the family has ``_created`` samples."""
        self.name = name
        self.documentation = documentation
        self.labels = tuple(labels)
        self.counts: dict[tuple[str, ...], int] = {}
        self.first: dict[tuple[str, ...], float] | None = {} if created else None

    def add(self, values: tuple[str, ...], count: int, first: float) -> None:
        """Add *count* to a series that began to count at the Unix time *first*."""
        self.counts[values] = self.counts.get(values, 0) + count
        if self.first is not None:
            self.first[values] = min(first, self.first.get(values, first))

    @property
    def samples(self) -> Iterator[Sample]:
        """Yield the samples ``_total`` and, if the family has them, ``_created``."""
        for values, count in self.counts.items():
            labels = dict(zip(self.labels, values, strict=True))
            yield Sample(f"{self.name}_total", labels, count)
            if self.first is not None:
                yield Sample(f"{self.name}_created", labels, self.first[values])


def join(parts: Sequence[CounterFamily]) -> CounterFamily:
    """Return a family with the series of *parts*, whose names and labels are equal."""
    first, *_ = parts
    joined = CounterFamily(
        first.name,
        first.documentation,
        first.labels,
        created=first.first is not None,
    )
    for part in parts:
        for values, count in part.counts.items():
            joined.add(values, count, part.first[values] if part.first else 0.0)
    return joined


class HistogramFamily:
    """
    A family of classic histograms.

    The label ``le`` has the same text in both formats: that of a float in OpenMetrics,
    such as "1.0", which Prometheus 3 also makes of the "1" of other exporters.
    """

    type = "histogram"

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        *,
        created: bool = False,
    ) -> None:
        """
        Start with no series.

        Args:
            bounds: upper bounds of the buckets in ascending order; the last bucket,
                ``+Inf``, is added.
            created: whether the family has ``_created`` samples.
        """
        self.name = name
        self.documentation = documentation
        self.labels = tuple(labels)
        self._bounds = [_format_float(bound) for bound in (*bounds, float("inf"))]
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        self._first: dict[tuple[str, ...], float] | None = {} if created else None

    def add(
        self,
        values: tuple[str, ...],
        buckets: Sequence[int],
        total: float,
        first: float,
    ) -> None:
        """
        Add observations to the series with the label values *values*.

        Args:
            buckets: number of observations in each bucket, not cumulative.
            total: sum of the observed values.
            first: Unix time at which the series began to count.
        """
        before = self._buckets.get(values, [0] * len(self._bounds))
        self._buckets[values] = [
            old + new for old, new in zip(before, buckets, strict=True)
        ]
        self._sums[values] = self._sums.get(values, 0.0) + total
        if self._first is not None:
            self._first[values] = min(first, self._first.get(values, first))

    @property
    def samples(self) -> Iterator[Sample]:
        """Yield ``_bucket``, ``_count`` and ``_sum``, and ``_created`` if wanted."""
        for values, buckets in self._buckets.items():
            labels = dict(zip(self.labels, values, strict=True))
            cumulative = list(accumulate(buckets))
            for bound, count in zip(self._bounds, cumulative, strict=True):
                yield Sample(f"{self.name}_bucket", {**labels, "le": bound}, count)
            yield Sample(f"{self.name}_count", labels, cumulative[-1])
            yield Sample(f"{self.name}_sum", labels, self._sums[values])
            if self._first is not None:
                yield Sample(f"{self.name}_created", labels, self._first[values])


def _format_float(number: float) -> str:
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]


def count_series(family: Family) -> int:
    """Return the number of series that *family* has in the text format."""
    if isinstance(family, CounterFamily):
        return len(family.counts)
    return sum(not sample.name.endswith("_created") for sample in family.samples)
