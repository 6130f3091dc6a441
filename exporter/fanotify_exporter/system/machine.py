"""Facts about the machine's architecture and its kernel."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final


# Of kernels with CONFIG_PREEMPT_DYNAMIC: the modes, the one in use in parentheses.
PREEMPTION: Final = Path("/sys/kernel/debug/sched/preempt")

IS_ARM64: Final = os.uname().machine == "aarch64"


def kernel_version() -> tuple[int, int]:
    """Return the first two numbers of the running kernel's release."""
    # 6.16.1, 6.16+deb14, 6.16-rc1: some releases have two numbers.
    major, minor = re.findall(r"\d+", os.uname().release)[:2]
    return int(major), int(minor)


def preempts_kernel(modes: Path = PREEMPTION) -> bool:
    """
    Return whether the running kernel may preempt a task inside the kernel.

    A kernel that may be told to, and that does not show its mode, counts as one that
    does: only root can read *modes*, and debugfs is not mounted in containers.
    """
    if "PREEMPT" not in os.uname().version:
        return False
    try:
        mode = modes.read_text()
    except OSError:
        return True
    return "(none)" not in mode and "(voluntary)" not in mode
