"""
Names of cgroups: the path and the container id of a cgroup id.

A cgroup id is the inode number of the cgroup's folder in the cgroup v2 hierarchy
(kernfs, since Linux 5.5), so one walk over the folders finds the names of all ids.
"""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Final

from fanotify_exporter.system.cpu_budget import CpuBudget


# Names in memory, also of removed cgroups; the names not seen for longest go first.
MAX_NAMES = 65_536

# A walk starts every second, or so rarely that walks take 2 % of a CPU.
WALKS: Final = CpuBudget(share=0.02, min_delay=1.0)

# Container runtimes name cgroups as follows, with the systemd and the cgroupfs driver:
# docker-ID.scope, /docker/ID, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope,
# /kubepods/burstable/podUID/ID. The conmon- scopes of CRI-O and podman hold a
# container's monitor, not the container.
CONTAINER: Final = re.compile(
    r"(?:^|[/-])(?<!conmon-)([0-9a-f]{64})(?:\.scope)?(?:/|$)"
)


class Cgroups:
    """Names by cgroup id, of the cgroups that exist and of those removed lately."""

    def __init__(self, root: Path | None) -> None:
        """
        Start without names.

        Args:
            root: where cgroup v2 is mounted; None if the host has no cgroup v2.
        """
        self._root = root
        self._names: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self._stopped = Event()

    def __call__(self, number: int) -> tuple[str, str]:
        """Return the path and the container id of cgroup *number*, as label values."""
        if not (number and self._root):
            return "", ""
        return self._names.get(number) or (f"[unknown: {number}]", "")

    def walk(self) -> None:
        """Read the names of the cgroups that exist now."""
        for number, path in walk(self._root) if self._root else ():
            self._names[number] = (path, container_id(path))
            self._names.move_to_end(number)
        while len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)

    def start(self) -> None:
        """Walk once, then start a thread that walks again and again."""
        self.walk()
        Thread(target=self._run, name="cgroups", daemon=True).start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopped.set()

    def _run(self) -> None:
        delay = WALKS.min_delay
        while not self._stopped.wait(delay):
            started = time.thread_time()
            self.walk()
            delay = WALKS.delay(time.thread_time() - started)


def walk(root: Path) -> Iterator[tuple[int, str]]:
    r"""
    Yield the id and the path of each cgroup below *root*; the path of *root* is "/".

    A user to whom a cgroup is delegated chooses the names, the depth and the modes of
    the folders below. Bytes that are not UTF-8 become ``\xNN``. A folder that cannot
    be listed has no children here.
    """
    yield root.stat().st_ino, "/"
    folders = [""]
    while folders:
        folder = folders.pop()
        for number, name in _children(f"{root}{folder}"):
            path = f"{folder}/{name}"
            yield number, os.fsencode(path).decode(errors="backslashreplace")
            folders.append(path)


def _children(folder: str) -> list[tuple[int, str]]:
    """Return the inode number and the name of each folder in *folder*."""
    try:
        with os.scandir(folder) as entries:
            return [
                (entry.inode(), entry.name)
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
            ]
    except OSError:  # removed meanwhile, not readable, or longer than PATH_MAX
        return []


def container_id(path: str) -> str:
    """
    Return the id of the innermost container in the cgroup path *path*, or "".

    >>> container_id("/system.slice/ssh.service")
    ''
    """
    found = CONTAINER.findall(path)
    return found[-1] if found else ""
