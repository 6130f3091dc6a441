"""Facts about the machine's architecture and its kernel."""

from __future__ import annotations

import os
import re
from typing import Final


IS_ARM64: Final = os.uname().machine == "aarch64"


def kernel_version() -> tuple[int, int]:
    """Return the first two numbers of the running kernel's release."""
    # 6.16.1, 6.16+deb14, 6.16-rc1: some releases have two numbers.
    major, minor = re.findall(r"\d+", os.uname().release)[:2]
    return int(major), int(minor)
