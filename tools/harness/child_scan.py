"""
One full scan for groups in a child process, which may drop privileges first.

scan_in_child() runs this file, behind a command such as unshare(1) if given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from fanotify_exporter.system.privileges import drop, find_user


@dataclass(frozen=True, slots=True)
class ChildScan:
    """
    The result of the scan.

    Attributes:
        groups: number of groups by comm of their owner.
        watches: number of watches of each inotify instance, by comm of its owner.
        unreadable: number of processes whose descriptors could not be read.
        inexact_reason: why a group counts once for each of its descriptors, or "".
    """

    groups: Counter[str]
    watches: dict[str, list[int]]
    unreadable: int
    inexact_reason: str


def scan_in_child(
    *,
    prefix: Sequence[str] = (),
    user: str = "",
    capabilities: Collection[str] = (),
) -> ChildScan:
    """Scan /proc behind the command *prefix*, as *user* with only *capabilities*."""
    command = [*prefix, sys.executable, __file__]
    if user:
        command += [f"--user={user}", *capabilities]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    groups, *others = json.loads(output)
    return ChildScan(Counter(groups), *others)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--user")
    parser.add_argument("capabilities", nargs="*")
    options = parser.parse_args()
    if options.user:
        drop(options.capabilities, find_user(options.user))
    source = ProcScan()
    scan = GroupScanner(source).poll()
    groups = Counter(owned.comm for owned in scan.groups)
    watches = defaultdict[str, list[int]](list)
    for instance in scan.instances:
        watches[instance.comm].append(instance.watches)
    print(json.dumps([groups, watches, scan.unreadable, source.inexact_reason]))


if __name__ == "__main__":
    main()
