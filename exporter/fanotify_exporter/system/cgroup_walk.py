"""
Walks over the folders of the cgroup v2 hierarchy.

Folders that belong to root come first. A user to whom a cgroup is delegated owns the
cgroup's folder, and chooses the names, the number and the depth of the folders in it.
A walk takes a bounded time and a bounded memory for them.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final


# Deeper folders are not found: Kubernetes' containers are at depth 4, and 8 in a node
# that is a container.
MAX_DEPTH: Final = 16

# CPU time of a walk for folders of users. The next walk goes on where this one stopped.
USER_SECONDS: Final = 0.05

# Folders of users that wait to be listed. A path has at most 4 KB.
MAX_WAITING: Final = 1024

# A folder without subfolders has this many links: kernfs_refresh_inode() in
# fs/kernfs/inode.c. Listing a folder takes 20 times as long as asking for this number.
LINKS_OF_A_LEAF: Final = 2

# Container runtimes name cgroups as follows, with the systemd and the cgroupfs driver:
# docker-ID.scope, docker/ID, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope,
# kubepods/burstable/podUID/ID. The conmon- scopes of CRI-O and podman hold a
# container's monitor, not the container.
CONTAINER: Final = re.compile(r"(?:.*-)?(?<!conmon-)([0-9a-f]{64})(?:\.scope)?")


@dataclass(frozen=True, slots=True)
class Folder:
    """
    A cgroup.

    Attributes:
        number: inode number, which is the cgroup's id.
        path: path below the root of the hierarchy, "" for the root.
        depth: number of folders in the path.
        trusted: whether root made the folder: the folder and all above belong to root,
            and the folder is not in a container.
        container: the outermost container that the folder is in.
    """

    number: int
    path: str
    depth: int
    trusted: bool
    container: Folder | None

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rpartition("/")[2]


class CgroupWalk:
    """Walks over the cgroups below one folder."""

    def __init__(self, root: Path) -> None:
        """Prepare for walks below *root*."""
        self._root = root
        self._untrusted: Iterator[Folder] = iter(())

    def __iter__(self) -> Iterator[Folder]:
        """
        Yield the cgroups of root level by level, then some or all of the others.

        A folder that cannot be listed has no children here.

        Raises:
            OSError: the root is missing.
        """
        top = Folder(self._root.stat().st_ino, "", 0, trusted=True, container=None)
        yield top
        waiting, untrusted = deque([top]), deque[Folder]()
        while waiting:
            yield from _children(self._root, waiting.popleft(), waiting, untrusted)
        end = time.thread_time() + USER_SECONDS
        for rest in (self._untrusted, self._below(untrusted)):
            self._untrusted = rest
            for folder in rest:
                yield folder
                if time.thread_time() > end:
                    return

    def _below(self, waiting: deque[Folder]) -> Iterator[Folder]:
        while waiting:
            yield from _children(self._root, waiting.popleft(), waiting, waiting)


def _children(
    root: Path, folder: Folder, trusted: deque[Folder], untrusted: deque[Folder]
) -> Iterator[Folder]:
    """Yield each cgroup in *folder*, and append to a queue if there are more below."""
    container = folder.container
    if not container and container_id(folder.name):
        container = folder
    for entry in _subfolders(f"{root}{folder.path}"):
        with suppress(OSError):  # removed meanwhile, or longer than PATH_MAX
            status = entry.stat(follow_symlinks=False)
            child = Folder(
                status.st_ino,
                f"{folder.path}/{entry.name}",
                folder.depth + 1,
                folder.trusted and not container and status.st_uid == 0,
                container,
            )
            yield child
            if status.st_nlink == LINKS_OF_A_LEAF or child.depth == MAX_DEPTH:
                continue
            if child.trusted:
                trusted.append(child)
            elif len(untrusted) < MAX_WAITING:
                untrusted.append(child)


def _subfolders(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield entry
    except OSError:  # removed meanwhile, not readable, or longer than PATH_MAX
        return


def container_id(name: str) -> str:
    """
    Return the id of the container whose cgroup's folder is called *name*, or "".

    >>> container_id("ssh.service")
    ''
    """
    found = CONTAINER.fullmatch(name)
    return found[1] if found else ""
