"""The permission listener: commands to listener.c, and its own counts."""

from __future__ import annotations

import errno
import json
import os
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.harness.permission.programs import LISTENER, WATCHDOG_SECONDS, watched
from tools.harness.processes import poll


# include/uapi/linux/fanotify.h
OPEN_PERM, ACCESS_PERM, PRE_ACCESS = 0x10000, 0x20000, 0x100000
ALLOW, DENY = 0x1, 0x2
ERRNO_SHIFT = 24


def deny_with(number: int) -> int:
    """Return the response FAN_DENY_ERRNO(*number*), for Linux 6.14 and newer."""
    return DENY | number << ERRNO_SHIFT


@dataclass(frozen=True, slots=True)
class Counts:
    """
    What a listener did.

    Attributes:
        events: number of events read.
        accepted: answers that the kernel accepted, by response and errno as
            fanotify_permission_responses_total has them.
        refused: number of answers that the kernel did not accept.
        unread: number of reads that failed, each of which denied one access.
        errno: of the last failed read or answer, 0 if none failed.
        spans: for each answer, the times after the read and before the answer, in
            seconds of CLOCK_BOOTTIME; the first 4,096 answers.
    """

    events: int
    accepted: Counter[tuple[str, str]]
    refused: int
    unread: int
    errno: int
    spans: tuple[tuple[float, float], ...]

    @property
    def answers(self) -> int:
        """Return the number of accepted answers."""
        return self.accepted.total()


class Listener:
    """A running listener.c with one group."""

    def __init__(self, process: subprocess.Popen[str], comm: str) -> None:
        self.process = process
        self.comm = comm
        self.pid = process.pid
        self._check(self._reply())

    def mark(self, path: Path, mask: int = OPEN_PERM, kind: str = "inode") -> None:
        """Mark *path*; raise the OSError of fanotify_mark(2)."""
        self._check(self._ask("mark", kind, f"{mask:x}", path))

    def flush(self) -> None:
        """Remove all inode marks."""
        self._check(self._ask("flush"))

    def queued(self) -> int:
        """Return the number of events that nobody has read."""
        return int(self._ask("queued")["queued"])

    def await_queued(self, number: int) -> None:
        """Wait until *number* events are queued."""
        queued = poll(self.queued, lambda queued: queued == number)
        assert number == queued, f"{queued} of {number} events"

    def read(self, number: int) -> None:
        """Hold the next *number* events, without an answer."""
        held = self._ask("read", number)["held"]
        assert held == number, f"{held} of {number} events came"

    def read_one(self) -> None:
        """Read one event, which may fail: see Counts.unread."""
        self._ask("read", 1)

    def answer(self, number: int, response: int = ALLOW) -> Counts:
        """Answer the *number* oldest held events."""
        return _counts(self._ask("answer", number, f"{response:x}"))

    def serve(
        self, number: int, response: int = ALLOW, *, seconds: float = 0
    ) -> Counts:
        """Answer the next *number* events, each after *seconds*."""
        microseconds = round(seconds * 1e6)
        return _counts(self._ask("serve", number, f"{response:x}", microseconds))

    def start(
        self, threads: int = 1, response: int = ALLOW, *, seconds: float = 0
    ) -> None:
        """Answer events in *threads* from now on, each after *seconds*."""
        self._ask("start", threads, f"{response:x}", round(seconds * 1e6))

    def peer(self, pid: int, path: Path) -> None:
        """Answer process *pid* at once, and others after an open of *path*."""
        self._ask("peer", pid, path)

    def stop(self) -> Counts:
        """End the threads that answer."""
        return _counts(self._ask("stop"))

    def counts(self) -> Counts:
        """Return what was counted."""
        return _counts(self._ask("counts"))

    def open(self, path: Path) -> None:
        """Open *path* in another thread."""
        self._ask("open", path)

    def rename(self, comm: str) -> None:
        """Change the name of the first thread."""
        self._ask("name", comm)

    def dup(self) -> None:
        """Make one more copy of the group's descriptor."""
        self._ask("dup")

    def close(self) -> None:
        """Close the last copy of the group's descriptor."""
        self._ask("close")

    def fork(self) -> int:
        """Start a process that has the group too; return its pid."""
        return int(self._ask("fork")["pid"])

    def reap(self) -> None:
        """Kill the process of fork()."""
        self._ask("reap")

    @contextmanager
    def without_descriptors(self) -> Iterator[None]:
        """Let the listener open no descriptor during the block."""
        self._ask("full")
        yield
        self._ask("room")

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()

    def _ask(self, *words: object) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the listener ended: its watchdog, or see its output above"
        return dict(json.loads(line))

    @staticmethod
    def _check(reply: dict[str, Any]) -> None:
        if reply["errno"]:
            raise OSError(reply["errno"], os.strerror(reply["errno"]))


@contextmanager
def listening(
    group_class: str = "content",
    *,
    comm: str = "",
    seconds: int = WATCHDOG_SECONDS,
) -> Iterator[Listener]:
    """
    Run a listener with a group of *group_class*, "content" or "pre_content".

    The default *comm* is one that no other process has.

    Raises:
        OSError: of fanotify_init(2).
    """
    comm = comm or f"l-{secrets.token_hex(6)}"
    with watched(LISTENER, comm, group_class, seconds=seconds) as process:
        yield Listener(process, comm)


def _counts(reply: dict[str, Any]) -> Counts:
    accepted = Counter[tuple[str, str]]()
    for response, count in reply["accepted"]:
        accepted[_label(response)] += count
    return Counts(
        reply["events"],
        accepted,
        reply["refused"],
        reply["unread"],
        reply["errno"],
        tuple((begin / 1e9, end / 1e9) for begin, end in reply["log"]),
    )


def _label(response: int) -> tuple[str, str]:
    """Return the labels response and errno of an answer."""
    if not response & DENY:
        return "allow", ""
    return "deny", errno.errorcode[response >> ERRNO_SHIFT or errno.EPERM]
