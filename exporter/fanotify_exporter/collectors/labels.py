"""Counters by label values: what collectors of calls add up in each scrape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fanotify_exporter.bpf.samples import Call


DROPPABLE = ("comm", "flags", "mask", "event_f_flags")
"""Labels without which the sums over the others still mean something."""

CONTAINER_LABELS = ("cgroup", "container_id")


@dataclass(frozen=True, slots=True)
class Labelling:
    """
    What an operator wants of labels.

    Attributes:
        dropped: labels, of DROPPABLE, over which series are summed.
        container: a cgroup's id to the values of CONTAINER_LABELS; None for none.
    """

    dropped: frozenset[str] = frozenset()
    container: Callable[[int], tuple[str, str]] | None = None

    def values(self, call: Call) -> tuple[str, ...]:
        """Return the values of the labels that every call family ends with."""
        return self.container(call.cgroup) if self.container else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the labels that every call family ends with."""
        return CONTAINER_LABELS if self.container else ()


PLAIN = Labelling()
