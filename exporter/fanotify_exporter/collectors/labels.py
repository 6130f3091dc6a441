"""The labels of counters: which are dropped, and the labels of containers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol


CONTAINER_LABELS = ("cgroup", "container_id")

# A function that returns some of the label values that it is given.
Picker = Callable[[tuple[str, ...]], tuple[str, ...]]


class InCgroup(Protocol):
    """A caller or a listener."""

    @property
    def cgroup(self) -> int:
        """The id of the cgroup; 0 if unknown."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """
    The labels that flags drop from counters or add to metrics.

    Attributes:
        dropped: labels over which series are summed.
        container: returns the values of CONTAINER_LABELS for the id of a cgroup; None
            if metrics do not have these labels.
    """

    dropped: frozenset[str] = frozenset()
    container: Callable[[int], tuple[str, str]] | None = None

    def values(self, counted: InCgroup) -> tuple[str, ...]:
        """Return the values of the labels *names* for *counted*."""
        return self.container(counted.cgroup) if self.container else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the labels that are added at the end of a family's own labels."""
        return CONTAINER_LABELS if self.container else ()

    def select(self, labels: Sequence[str]) -> tuple[tuple[str, ...], Picker]:
        """
        Return the labels of a counter family whose own labels are *labels*.

        Returns:
            The labels that are not dropped, and a function that picks their values
            from the values of *labels* and *names*.
        """
        wide = (*labels, *self.names)
        kept = [i for i, label in enumerate(wide) if label not in self.dropped]
        return tuple(wide[i] for i in kept), _picker(kept, len(wide))


def _picker(kept: Sequence[int], width: int) -> Picker:
    """Return a function that keeps the values at the positions *kept* of *width*."""
    if len(kept) == width:
        return lambda values: values
    if len(kept) > 1:
        return itemgetter(*kept)
    return lambda values: tuple(values[i] for i in kept)


# No label is dropped or added.
PLAIN = Labelling()
