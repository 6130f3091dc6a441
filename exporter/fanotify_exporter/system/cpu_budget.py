"""CPU budget of background threads: how long to wait after work."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CpuBudget:
    """
    The part of one CPU that repeated work may take.

    Attributes:
        share: the largest part, 0.02 for 2 %.
        min_delay: the shortest wait in seconds.
        max_delay: the longest wait in seconds, whatever part the work then takes.
    """

    share: float
    min_delay: float = 0.0
    max_delay: float = math.inf

    def delay(self, cpu_seconds: float) -> float:
        """Return the seconds to wait after work that took *cpu_seconds*."""
        return min(max(self.min_delay, cpu_seconds / self.share), self.max_delay)
