"""
Programs with known fanotify groups, which run as long as a test needs them.

A test gives the Python code of a program; PREAMBLE has the names that the code may
use. A program imports no module of the project, so that any user may run it.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import pytest

from tools.harness.processes import DEADLINE_SECONDS, Running, poll, running
from tools.harness.requirements import need


T = TypeVar("T")

PYTHON = str(getattr(sys, "_base_executable", sys.executable))

# The start of each program.
PREAMBLE = """
import array, ctypes, json, os, socket, sys, threading, time

CONTENT, PRE_CONTENT, UNLIMITED_MARKS, FID, MNT = 0x4, 0x8, 0x20, 0x200, 0x4000
ADD, IGNORED, EVICTABLE, IGNORE = 0x1, 0x61, 0x201, 0x441
MOUNT, FILESYSTEM, MNTNS = 0x11, 0x101, 0x111
OPEN, OPEN_PERM, ACCESS_PERM, OPEN_EXEC_PERM = 0x20, 0x10000, 0x20000, 0x40000
PRE_ACCESS, MNT_ATTACH = 0x100000, 0x1000000

libc = ctypes.CDLL(None, use_errno=True)

def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

def init(flags=0):
    return checked(libc.fanotify_init(flags | 1, 0))

def instance():
    return checked(libc.inotify_init1(0))

def mark(group, flags, mask, path):
    words = group, flags, ctypes.c_uint64(mask), -100, os.fsencode(path)
    checked(libc.fanotify_mark(*words))

def watch(instance, path):
    return checked(libc.inotify_add_watch(instance, os.fsencode(path), OPEN))

def name(comm):
    libc.prctl(15, os.fsencode(comm))

def fork(work=lambda: None):
    # The child has done its work when this function returns, and ends with its parent.
    done, doing = os.pipe()
    pid = os.fork()
    if not pid:
        libc.prctl(1, 9)
        work()
        os.write(doing, b"!")
        while True:
            time.sleep(60)
    os.read(done, 1)
    os.close(done)
    os.close(doing)
    return pid

def say(*values):
    print(json.dumps([os.getpid(), *values]), flush=True)
    return sys.stdin.readline()
"""


# A command that runs another command in a new pid namespace. Ending the command ends
# all processes in the namespace.
NEW_PIDS = ("unshare", "--pid", "--fork", "--kill-child")


def as_user(uid: int) -> tuple[str, ...]:
    """Return a command that runs another command as a user without privileges."""
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")


@dataclass(frozen=True, slots=True)
class Listener:
    """
    A running program with groups.

    Attributes:
        process: the program, or the command that runs the program.
        comm: the name of the program, which no other process has.
        pid: the program's pid in its own pid namespace.
        said: the values of the program's first say().
    """

    process: subprocess.Popen[str]
    comm: str
    pid: int
    said: tuple[Any, ...]

    def go_on(self) -> tuple[Any, ...]:
        """Let the program run until its next say(), and return the values."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(_said(self.process)[1:])

    def end(self) -> None:
        """Let the program run to its end."""
        self.process.communicate()


@dataclass(frozen=True, slots=True)
class Installed:
    """A program of the distribution that a test runs, and its comm."""

    process: Running
    comm: str

    def shows(
        self, read: Callable[[], T], expected: T, seconds: float = DEADLINE_SECONDS
    ) -> T:
        """Poll *read* for *expected*, return its result; skip if the program ends."""
        ended = self.process.process.poll
        last = poll(
            read, lambda got: got == expected or ended() is not None, seconds=seconds
        )
        if ended() is not None:  # for example on a filesystem without file handles
            pytest.skip(f"the program ended: {self.process.log.read_text().strip()}")
        return last


@contextmanager
def listening(
    *code: str, prefix: Sequence[str] = (), folder: str = "/"
) -> Iterator[Listener]:
    """
    Run *code* under a name of its own; yield after its first say().

    Args:
        code: parts of a program. The program calls say() after the last part.
        prefix: a command that runs the program.
        folder: the working directory.
    """
    comm = f"t-{secrets.token_hex(6)}"
    program = [PREAMBLE, f"name({comm!r})", *map(dedent, code), "say()"]
    process = subprocess.Popen(
        [*prefix, PYTHON, "-I", "-c", "\n".join(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    with process:
        try:
            pid, *said = _said(process)
            yield Listener(process, comm, pid, tuple(said))
        finally:
            process.kill()


@contextmanager
def installed(
    program: str, *arguments: str | Path, folder: Path
) -> Iterator[Installed]:
    """Run a program of the distribution in *folder*, under a name of its own."""
    link = folder / f"t-{secrets.token_hex(6)}"
    link.symlink_to(need(program))
    with running([link, *arguments], folder / "log", cwd=folder) as process:
        yield Installed(process, link.name)


def _said(process: subprocess.Popen[str]) -> list[Any]:
    assert process.stdout
    line = process.stdout.readline()
    assert line, "the program ended: see its output above"
    said: list[Any] = json.loads(line)
    return said
