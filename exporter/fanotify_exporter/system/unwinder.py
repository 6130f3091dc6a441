"""The library that glibc loads when a thread ends."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def load_unwinder() -> None:
    """
    Load the library that pthread_exit(3) needs, before the process may open no file.

    At its end the interpreter lets daemon threads call pthread_exit(3), and the first
    call opens the library (glibc, sysdeps/nptl/unwind-forcedunwind.c). The exit of the
    process then waits for that open. Without the library there is nothing to wait for.
    """
    with suppress(OSError):
        ctypes.CDLL("libgcc_s.so.1")
