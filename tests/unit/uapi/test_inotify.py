"""Names of inotify_init1(2) flags."""

from __future__ import annotations

import os

from fanotify_exporter.uapi.inotify import inotify_flag_names


def test_inotify_flags() -> None:
    """Flags have the numbers of Python's os module, and unknown bits stay as hex."""
    assert "IN_NONBLOCK|IN_CLOEXEC" == inotify_flag_names(os.O_NONBLOCK | os.O_CLOEXEC)
    assert "0" == inotify_flag_names(0)
    assert "0x1" == inotify_flag_names(1)
