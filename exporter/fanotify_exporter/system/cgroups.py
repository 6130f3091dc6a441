"""
Names of cgroups: the path and the container id of a cgroup id.

A cgroup id is the inode number of the cgroup's folder in the cgroup v2 hierarchy
(kernfs, since Linux 5.5), so one walk over the folders finds the names of all ids.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path
from threading import Event, Thread
from typing import Final

from fanotify_exporter.system.cgroup_walk import CgroupWalk, Folder, container_id
from fanotify_exporter.system.cpu_budget import CpuBudget
from fanotify_exporter.uapi.printable import printable_text


log = logging.getLogger(__name__)

# Bytes of names in memory, also of removed cgroups. 8 MiB are about 16,000 names. Users
# with a delegated cgroup share the second.
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_USER_BYTES: Final = 2 * 1024 * 1024

# Bytes that an entry takes beside the two strings.
ENTRY_BYTES: Final = 250

# The rest of a longer path is replaced by a hash.
MAX_CHARACTERS: Final = 256

# So many bytes of UTF-8 have at least one character more than MAX_CHARACTERS.
MAX_PREFIX_BYTES: Final = 4 * MAX_CHARACTERS + 1

# A walk starts every second, or so rarely that walks take 2 % of a CPU.
WALKS: Final = CpuBudget(share=0.02, min_delay=1.0)

# The values of the labels cgroup and container_id.
Name = tuple[str, str]


# Begin of the path of a cgroup without a name. A path begins with a slash.
_UNKNOWN: Final = "[unknown: "


def is_unknown(name: Name) -> bool:
    """Return whether *name* stands for a cgroup that no walk has seen."""
    return name[0].startswith(_UNKNOWN)


class Cgroups:
    """Names by cgroup id, of the cgroups that exist and of those removed lately."""

    def __init__(self, root: Path | None) -> None:
        """
        Start without names.

        Args:
            root: where cgroup v2 is mounted; None if the host has no cgroup v2.
        """
        self._walk = CgroupWalk(root) if root else ()
        self._trusted = _Names(MAX_BYTES)
        self._untrusted = _Names(MAX_USER_BYTES)
        self._error = ""
        self._stopped = Event()

    def __call__(self, number: int) -> Name:
        """Return the path and the container id of cgroup *number*, as label values."""
        if not (number and self._walk):
            return "", ""
        return (
            self._trusted.get(number)
            or self._untrusted.get(number)
            or (f"{_UNKNOWN}{number}]", "")
        )

    def walk(self) -> None:
        """
        Read the names of the cgroups that exist now.

        A cgroup in a container has the name of the outermost container.
        """
        self._trusted.seen = self._untrusted.seen = 0
        for folder in self._walk:
            names = self._trusted if folder.trusted else self._untrusted
            if not names.has(folder.number):
                container = folder.container
                known = self(container.number) if container else ("", "")
                names.add(folder.number, known if known[1] else name_of(folder))

    def start(self) -> None:
        """Walk once, then start a thread that walks again and again."""
        self._try_to_walk()
        Thread(target=self._run, name="cgroups", daemon=True).start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopped.set()

    def _run(self) -> None:
        delay = WALKS.min_delay
        while not self._stopped.wait(delay):
            started = time.thread_time()
            self._try_to_walk()
            delay = WALKS.delay(time.thread_time() - started)

    def _try_to_walk(self) -> None:
        """Walk; log an error that the last walk did not have."""
        try:
            self.walk()
        except Exception as error:  # noqa: BLE001  the next walk may succeed
            reason = f"{type(error).__name__}: {error}"
            if reason != self._error:
                log.warning(
                    "cannot read the names of cgroups: new cgroups are named "
                    "[unknown: ID] until this works again",
                    extra={"reason": reason},
                )
            self._error = reason
        else:
            self._error = ""


class _Names:
    """
    Names by cgroup id, with at most *max_bytes* in memory.

    The names that were not seen for longest come first. The last *seen* of them were
    seen in this walk.
    """

    def __init__(self, max_bytes: int) -> None:
        """Start without names."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._names: OrderedDict[int, Name] = OrderedDict()
        self.seen = 0
        self.get = self._names.get

    def has(self, number: int) -> bool:
        """Return whether *number* has a name, which was seen now."""
        found = number in self._names
        if found:
            self._names.move_to_end(number)
            self.seen += 1
        return found

    def add(self, number: int, name: Name) -> None:
        """Add the name of a new *number* if the names seen in this walk leave room."""
        self._names[number] = name
        self._bytes += _size(name)
        self.seen += 1
        while self._bytes > self._max_bytes:
            is_new = len(self._names) == self.seen
            _, removed = self._names.popitem(last=is_new)
            self._bytes -= _size(removed)
            self.seen -= is_new


def _size(name: Name) -> int:
    return ENTRY_BYTES + sys.getsizeof(name[0]) + sys.getsizeof(name[1])


def name_of(folder: Folder) -> Name:
    """Return the path and the container id of the folder's outermost container."""
    outermost = folder.container or folder
    return path_text(os.fsencode(outermost.path)), container_id(outermost.name)


def path_text(path: bytes) -> str:
    """
    Return the path as printable text; different paths stay different.

    A longer path is cut after MAX_CHARACTERS and ends with a hash of the whole path.
    """
    text = printable_text(path[:MAX_PREFIX_BYTES]) or "/"
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}[+{blake2b(path, digest_size=16).hexdigest()}]"
