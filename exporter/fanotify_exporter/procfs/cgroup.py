"""The cgroup of a process, from /proc/PID/cgroup."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fanotify_exporter.procfs.process import read_process_file


def read_cgroup_id(process: int, root: Path | None) -> int:
    """
    Return the id of a process's cgroup in the v2 hierarchy, 0 if unknown.

    The id is the inode number of the cgroup's folder (kernfs, since Linux 5.5).

    Args:
        process: a folder opened by opened_process().
        root: where cgroup v2 is mounted; None if cgroup v2 is not mounted.
    """
    if not root:
        return 0
    path = parse_cgroup_path(read_process_file(process, "cgroup"))
    try:
        return Path(f"{root}{path}").stat().st_ino if path else 0
    except FileNotFoundError:  # removed, or above the root of a cgroup namespace
        return 0


def parse_cgroup_path(cgroup: bytes) -> str:
    """Return the path in the v2 hierarchy in a *cgroup* file, or ""."""
    found = re.search(rb"^0::(/.*)$", cgroup, re.MULTILINE)
    return os.fsdecode(found[1]) if found else ""
