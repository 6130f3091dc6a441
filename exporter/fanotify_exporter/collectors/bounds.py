"""
Bounds on gauges by comm or uid.

An ordinary user chooses the names of own processes, and may have many user ids of a
user namespace. A process with CAP_SYS_ADMIN in the initial user namespace controls the
host anyway, so its name and user need no bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Final


# The value of comm or uid of all names that have no series of their own. A comm has at
# most 15 bytes, so no process can have this name.
TOO_MANY: Final = "[other: too many]"

# Series for names that an ordinary user chose, in each family and other label value.
MAX_NAMES: Final = 100

Counts = Counter[tuple[str, ...]]


def bound_names(counts: Counts, always: Container[str]) -> Counts:
    """
    Return *counts* with few enough values of the first label; the sum stays the same.

    Values in *always* stay. Of the other values the MAX_NAMES with the largest counts
    stay, and the rest are summed as TOO_MANY.
    """
    sizes = Counter[str]()
    for (name, *_), count in counts.items():
        if name not in always:
            sizes[name] += count
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))
    summed = set(largest[MAX_NAMES:])
    bounded = Counts()
    for (name, *more), count in counts.items():
        bounded[TOO_MANY if name in summed else name, *more] += count
    return bounded
