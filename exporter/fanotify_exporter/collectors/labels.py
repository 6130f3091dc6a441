"""The labels of call metrics: which are dropped, and the labels of containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fanotify_exporter.bpf.samples import Call


CONTAINER_LABELS = ("cgroup", "container_id")


@dataclass(frozen=True, slots=True)
class Labelling:
    """
    The labels that flags drop from call metrics or add to them.

    Attributes:
        dropped: labels over which series are summed.
        container: returns the values of CONTAINER_LABELS for the id of a cgroup; None
            if call metrics do not have these labels.
    """

    dropped: frozenset[str] = frozenset()
    container: Callable[[int], tuple[str, str]] | None = None

    def values(self, call: Call) -> tuple[str, ...]:
        """Return the values of the labels *names* for *call*."""
        return self.container(call.cgroup) if self.container else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the labels that are added at the end of every call family."""
        return CONTAINER_LABELS if self.container else ()


# No label is dropped or added.
PLAIN = Labelling()
