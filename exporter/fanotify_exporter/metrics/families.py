"""Metric families: what the encoders need, and counters that take little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client.samples import Sample


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


def count_series(family: Family) -> int:
    """Return the number of series that *family* has in the text format."""
    if isinstance(family, CounterFamily):
        return len(family.counts)
    return sum(not sample.name.endswith("_created") for sample in family.samples)
