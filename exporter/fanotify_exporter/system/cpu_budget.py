"""CPU budget of background threads: how long to wait after work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CpuBudget:
    """
    The part of one CPU that repeated work may take.

    Attributes:
        share: the largest part, 0.02 for 2 %.
        min_delay: the shortest wait in seconds.
    """

    share: float
    min_delay: float = 0.0

    def delay(self, cpu_seconds: float) -> float:
        """Return the seconds to wait after work that took *cpu_seconds*."""
        return max(self.min_delay, cpu_seconds / self.share)
