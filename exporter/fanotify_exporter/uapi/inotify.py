"""
The words of fanotify's and inotify's uapi, and pure functions from numbers to them.

Tables: include/uapi/linux/fanotify.h of Linux 6.18; a bit that a table does not
name stays visible as hex, so two numbers never share a text.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fanotify_exporter.uapi.bits import bit_names


INOTIFY_FLAGS: Final = MappingProxyType({0x00800: "IN_NONBLOCK", 0x80000: "IN_CLOEXEC"})
"""Bits of inotify_init1(2) flags."""


@lru_cache(maxsize=256)
def inotify_flag_names(flags: int) -> str:
    """Spell inotify_init1(2) flags: 'IN_CLOEXEC'; '0' is also inotify_init(2)'s."""
    return bit_names(flags, INOTIFY_FLAGS)
