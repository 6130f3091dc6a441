"""Descriptors 0 to 2, which a parent process may have closed."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """
    Open /dev/null on each of the descriptors 0 to 2 that is closed.

    Otherwise the next socket or pipe of the process would take the number, and text for
    stdout or stderr would go there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The kernel gives the lowest free number.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003
    # Python sets a stream to None if its descriptor is closed at the start.
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
