"""Plans for caller.c: lists of (flags, mask, number of calls)."""

from __future__ import annotations

import random

from fanotify_exporter.uapi.fanotify import MARK_COMMANDS, MASK


NOBODY = 65534
ADD, REMOVE, FLUSH = MARK_COMMANDS
OPEN = 0x20


def every_init_flag() -> list[tuple[int, int, int]]:
    """Return each flag and event_f_flag of fanotify_init(2), pairs, random numbers."""
    bits = [1 << shift for shift in range(32)]
    seeded = random.Random(300)
    plan = [(flag, 0, 1) for flag in bits]
    plan += [(one | two, 0x8000, 1) for one in bits for two in bits if one < two]
    plan += [(0, flag, 1) for flag in bits]
    plan += [(seeded.getrandbits(32), seeded.getrandbits(32), 1) for _ in range(500)]
    return [*plan, (0, 0, 23), (0x8, 2, 29), (0xFFFF_FFFF, 0xFFFF_FFFF, 3)]


def every_bit_and_pair() -> list[tuple[int, int, int]]:
    """Return each flag and mask bit, pairs of them, and random numbers."""
    flags = [1 << shift for shift in range(32)]
    masks = [1 << shift for shift in range(64)]
    seeded = random.Random(20111)
    plan = [(flag, OPEN, 1) for flag in flags]
    plan += [(one | two, OPEN, 1) for one in flags for two in flags if one < two]
    plan += [(ADD, mask, 1) for mask in masks]
    plan += [(ADD, one | two, 1) for one in MASK for two in MASK if one < two]
    plan += [
        (seeded.getrandbits(32), seeded.getrandbits(64), seeded.randrange(1, 4))
        for _ in range(1000)
    ]
    return [*plan, (0, 0, 3), (0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF, 3)]
