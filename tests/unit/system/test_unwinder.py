"""The library that glibc loads when a thread ends."""

from __future__ import annotations

import subprocess
import sys


PROGRAM = """
from pathlib import Path
from fanotify_exporter.system.unwinder import load_unwinder

maps = Path("/proc/self/maps")
before = maps.read_text()
load_unwinder()
print("libgcc_s" in before, "libgcc_s" in maps.read_text())
"""


def test_library_is_loaded() -> None:
    """Afterwards the process has the library, which nothing else has loaded before."""
    printed = subprocess.check_output([sys.executable, "-c", PROGRAM], text=True)
    assert "False True\n" == printed
