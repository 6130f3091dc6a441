"""
Parse the values of flags.

Each function raises ArgumentTypeError, with the value and a good example, if the value
cannot be used.
"""

from __future__ import annotations

import errno as errnos
import os
import pwd
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence

from fanotify_exporter.uapi.errnos import errno_name


# Two sections with this many slots of 48 bytes take 25 MB in the kernel.
MAX_MAX_ENTRIES = 262_144

# TASK_COMM_LEN of include/linux/sched.h without the NUL.
MAX_COMM_BYTES = 15

# The user id -1 stands for none in system calls.
MAX_UID = 0xFFFF_FFFE

# MAX_ERRNO of include/linux/err.h.
MAX_ERRNO = 4095

UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
MAX_INTERVAL_SECONDS = 86_400


def telemetry_path(text: str) -> str:
    """Return a path such as /metrics; "/" and paths below /-/ are refused."""
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith("/-/"):
        raise ArgumentTypeError(
            f"{text!r} cannot be the path of the metrics: use for example /metrics"
        )
    return text


def labels(text: str, droppable: Sequence[str]) -> tuple[str, ...]:
    """Return the label names in "comm,mask"; each must be one of *droppable*."""
    names = tuple(filter(None, text.split(",")))
    for name in names:
        if name not in droppable:
            raise ArgumentTypeError(f"{name!r} is not one of {', '.join(droppable)}")
    return names


def names(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names in "fanotify_mark,fanotify_init"; each must be of *known*."""
    found = labels(text, known)
    if not found:
        raise ArgumentTypeError(f"no name is given: use for example {known[0]}")
    return found


def comm(text: str) -> bytes:
    """Return the bytes of a thread name."""
    name = os.fsencode(text)
    if not 0 < len(name) <= MAX_COMM_BYTES:
        raise ArgumentTypeError(
            f"{text!r} is not from 1 to {MAX_COMM_BYTES} bytes long, as thread names "
            "are: the kernel cuts longer names, so use the first "
            f"{MAX_COMM_BYTES} bytes"
        )
    return name


def uid(text: str) -> int:
    """Return the number of a user: itself, or that of a name."""
    if re.fullmatch(r"\d{1,10}", text, re.ASCII) and int(text) <= MAX_UID:
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise ArgumentTypeError(
            f"{text!r} is no user here, and no number up to {MAX_UID}: use for "
            "example 1000"
        ) from None


def errno(text: str) -> int:
    """Return the number of an error, given as its symbol in any case."""
    text = text.upper()
    for number in range(1, MAX_ERRNO + 1):
        if errno_name(number) == text and not text.isdecimal():
            return number
    if text.startswith("E") and isinstance(alias := getattr(errnos, text, None), int):
        return alias
    raise ArgumentTypeError(f"{text!r} is no error: use for example ENOSPC")


def count(text: str) -> int:
    """Return a number of calls, 1 or more."""
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not int(text):
        raise ArgumentTypeError(f"{text!r} is not a number from 1: use for example 10")
    return int(text)


def max_entries(text: str) -> int:
    """Return a number from 1 to MAX_MAX_ENTRIES."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MAX_MAX_ENTRIES:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_MAX_ENTRIES}")
    return number


def interval(text: str) -> int:
    """Return the seconds of "90s", "5m", "24h", "1d" or "45"."""
    found = re.fullmatch(r"(\d{1,5})([smhd]?)", text, re.ASCII)
    seconds = int(found[1]) * UNIT_SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= MAX_INTERVAL_SECONDS:
        raise ArgumentTypeError(
            f"{text!r} is not a time from 1s to 24h: use a number and s, m, h or d, "
            "for example 30s"
        )
    return seconds


def log_level(text: str) -> str:
    """Return *text* as --log.level spells levels: "warn" for "WARNING"."""
    level = text.lower()
    return "warn" if level == "warning" else level
