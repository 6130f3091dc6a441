"""
Scans for waiting tasks in a child process, with few privileges or in a stall.

waits_in_child() runs this file, behind a command such as unshare(1) if given.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from fanotify_exporter.fsnotify.wchan import WaitScanner
from fanotify_exporter.fsnotify.wchan_support import unseen_reason
from fanotify_exporter.system import privileges, seccomp


# include/uapi/linux/fanotify.h
CLOEXEC_CONTENT, ADD_MOUNT, OPEN_PERM, AT_FDCWD = 0x5, 0x11, 0x10000, -100

# A private copy of all mounts: a mark on a mount holds back processes in it only.
PRIVATE_MOUNTS: Final = ("unshare", "--mount", "--propagation=private")

# The child is killed after so long, which ends a stall.
WATCHDOG_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ChildWaits:
    """
    What the child saw.

    Attributes:
        reason: why it cannot see waiting tasks, None if it can.
        comms: the names of the waiting tasks.
    """

    reason: str | None
    comms: list[str]


def waits_in_child(
    *,
    prefix: Sequence[str] = (),
    user: str = "",
    capabilities: Collection[str] = (),
    is_stalled: bool = False,
) -> ChildWaits:
    """
    Scan behind the command *prefix*.

    Args:
        prefix: a command that runs another command.
        user: drop privileges for this user and install the filter as serving does.
        capabilities: those that *user* keeps.
        is_stalled: hold back all opens on the mount of ``/``, and scan until an own
            child waits; *prefix* must be PRIVATE_MOUNTS.
    """
    command = [*prefix, sys.executable, __file__]
    command += [f"--user={user}", *capabilities] if user else []
    command += ["--stalled"] if is_stalled else []
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return ChildWaits(*json.loads(output))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--user")
    parser.add_argument("--stalled", action="store_true")
    parser.add_argument("capabilities", nargs="*")
    options = parser.parse_args()
    signal.alarm(WATCHDOG_SECONDS)
    scanner = WaitScanner(lambda: None)
    if options.user:
        user = privileges.find_user(options.user)
        privileges.drop(options.capabilities, user)
        seccomp.install([])
    opener = stall() if options.stalled else 0

    waiters = scanner.poll().waiters
    while opener and not waiters:
        waiters = scanner.poll().waiters
    comms = [waiter.comm for waiter in waiters]
    print(json.dumps([unseen_reason(), comms]), flush=True)
    if opener:
        os.kill(opener, signal.SIGKILL)


def stall() -> int:
    """Hold back all opens on the mount of ``/``; return a child that opens a file."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(CLOEXEC_CONTENT, 0)
    mask = ctypes.c_uint64(OPEN_PERM)
    if group < 0 or libc.fanotify_mark(group, ADD_MOUNT, mask, AT_FDCWD, b"/"):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    opener = os.fork()
    if not opener:
        os.close(group)
        os.open(sys.executable, os.O_RDONLY)
        os._exit(0)
    return opener


if __name__ == "__main__":
    main()
