"""
One full scan in a process of its own, which may give up privileges before it.

``look()`` runs this file, behind a command such as unshare if need be.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fanotify_exporter.fsnotify.proc_scan import GroupScanner


PR_SET_KEEPCAPS = 8
CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True)
class Seen:
    """What the scan found: groups by comm; why one may count as several, or ""."""

    groups: Counter[str]
    unreadable: int
    inexact_reason: str


def look(
    *,
    prefix: Sequence[str] = (),
    uid: int = 0,
    capabilities: Sequence[int] | None = None,
) -> Seen:
    """Scan /proc behind *prefix*, as *uid*, with only these *capabilities*."""
    command = [*prefix, sys.executable, __file__, f"--uid={uid}"]
    if capabilities is not None:
        command += ["--capabilities", *map(str, capabilities)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    groups, unreadable, inexact_reason = json.loads(output)
    return Seen(Counter(groups), unreadable, inexact_reason)


def become(uid: int, capabilities: Sequence[int]) -> None:
    """Be *uid* with *capabilities* in effect, and no others."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    bits = sum(1 << number for number in capabilities)
    low, high = bits & 0xFFFF_FFFF, bits >> 32
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    if libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)):
        raise OSError(ctypes.get_errno(), "capset")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--uid", type=int, required=True)
    parser.add_argument("--capabilities", type=int, nargs="*")
    options = parser.parse_args()
    if options.capabilities is not None:
        become(options.uid, options.capabilities)
    scanner = GroupScanner(Path("/proc"))
    scan = scanner.step()
    groups = Counter(held.comm for held in scan.groups)
    print(json.dumps([groups, scan.unreadable, scanner.inexact_reason]))


if __name__ == "__main__":
    main()
