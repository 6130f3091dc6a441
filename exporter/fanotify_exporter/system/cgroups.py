"""
Names of cgroups: the id that the kernel counts by in, path and container id out.

An id is the inode number of the cgroup's folder in the cgroup v2 hierarchy (kernfs,
since Linux 5.5), so one walk over the folders names them all.
"""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread


MAX_NAMES = 65_536
"""Names kept, of cgroups that are gone too; the longest unseen ones go first."""

SECONDS = 1.0
SHARE = 0.02
"""A walk begins every SECONDS, or so seldom that walks take this share of a CPU."""

CONTAINER = re.compile(r"(?:^|[/-])(?<!conmon-)([0-9a-f]{64})(?:\.scope)?(?:/|$)")
"""
What container runtimes name their cgroups, by either cgroup driver:

docker-ID.scope, /docker/ID, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope,
/kubepods/burstable/podUID/ID. CRI-O's and podman's conmon- scopes hold their monitors.
"""


class Cgroups:
    """The cgroups that there are and were, by id."""

    def __init__(self, root: Path | None) -> None:
        """Name the cgroups below *root*, the mount point of cgroup v2; None: none."""
        self._root = root
        self._names: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self._stopped = Event()

    def __call__(self, number: int) -> tuple[str, str]:
        """Return the path and the container id of cgroup *number*, as label values."""
        if not (number and self._root):
            return "", ""
        return self._names.get(number) or (f"[unknown: {number}]", "")

    def walk(self) -> None:
        """Learn the names of the cgroups that exist now."""
        for number, path in walk(self._root) if self._root else ():
            self._names[number] = (path, container_id(path))
            self._names.move_to_end(number)
        while len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)

    def start(self) -> None:
        """Walk now, and from now on in a thread."""
        self.walk()
        Thread(target=self._walk_on, name="cgroups", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def _walk_on(self) -> None:
        pause = SECONDS
        while not self._stopped.wait(pause):
            started = time.monotonic()
            self.walk()
            pause = max(SECONDS, (time.monotonic() - started) / SHARE)


def walk(root: Path) -> Iterator[tuple[int, str]]:
    """
    Yield the id and the path of each cgroup below *root*, which itself is "/".

    Whoever a cgroup is delegated to chooses what is below it: any bytes as names, any
    depth, and folders that refuse to be listed.
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
    try:
        with os.scandir(folder) as entries:
            return [
                (entry.inode(), entry.name)
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
            ]
    except OSError:  # removed meanwhile, refused, or its path is too long
        return []


def container_id(path: str) -> str:
    """
    Return the id of the container whose cgroup has *path*, or "".

    >>> container_id("/system.slice/ssh.service")
    ''
    """
    found = CONTAINER.findall(path)
    return found[-1] if found else ""
