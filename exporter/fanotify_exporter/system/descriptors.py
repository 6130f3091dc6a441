"""The number of descriptors that this process may open; RLIMIT_NOFILE, getrlimit(2)."""

from __future__ import annotations

import os
from contextlib import suppress
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit


# Far more than connections, maps and scans need. A program that closes all descriptors
# up to its limit, as some children do, would take long with a limit of a million.
ENOUGH = 4096


def raise_limit() -> None:
    """
    Raise the soft limit to the hard limit, or to ENOUGH if that is less.

    The limit stays as it is where a seccomp filter refuses the change.
    """
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = ENOUGH if hard == RLIM_INFINITY else min(hard, ENOUGH)
    if soft != RLIM_INFINITY and soft < wanted:
        # Python raises ValueError for EPERM.
        with suppress(OSError, ValueError):
            setrlimit(RLIMIT_NOFILE, (wanted, hard))


def count_free() -> int:
    """Return the number of descriptors, at most ENOUGH, that can still be opened."""
    soft, _ = getrlimit(RLIMIT_NOFILE)
    limit = ENOUGH if soft == RLIM_INFINITY else min(soft, ENOUGH)
    return sum(not _is_open(number) for number in range(limit))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # EBADF
        return False
    return True
