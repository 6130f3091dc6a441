"""Names of inotify_init1(2) flags; include/uapi/linux/inotify.h."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fanotify_exporter.uapi.bits import bit_names


INOTIFY_FLAGS: Final = MappingProxyType({0x00800: "IN_NONBLOCK", 0x80000: "IN_CLOEXEC"})


@lru_cache(maxsize=256)
def inotify_flag_names(flags: int) -> str:
    """
    Return the names of inotify_init1(2) flags; calls of inotify_init(2) have "0".

    >>> inotify_flag_names(0x80000)
    'IN_CLOEXEC'
    """
    return bit_names(flags, INOTIFY_FLAGS)
