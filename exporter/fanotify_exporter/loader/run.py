"""
The serving side of loading: run the loader child and take what it hands over.

The child (exporter.probes) imports bcc; this module and its process never do.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.handover import receive


TIMEOUT_SECONDS = 30.0
CHILD = Path(__file__).with_name("child.py")


def load(
    hook: str,
    max_entries: int,
    *,
    container: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> LoadedPrograms:
    """
    Attach the probes in a child process and return what keeps them attached.

    Args:
        hook: "auto", one of the ladder's hooks, or the name of a method.
        max_entries: keys that fit for root, and again for all other users.
        container: whether to count by cgroup too.
        timeout: seconds that the child may take.

    Raises:
        LoadError: the child refused, died or hung.
    """
    methods = [
        method
        for method in ATTACH_METHODS
        if hook in ("auto", method.hook, method.name)
    ]
    names = ",".join(method.name for method in methods)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, os.fdopen(os.memfd_create("loader"), "r+b") as output:
        child = _start(theirs, output, names, str(max_entries), str(int(container)))
        theirs.close()
        ours.settimeout(timeout)
        try:
            received = receive(ours)
            child.wait(timeout)
        except (TimeoutError, subprocess.TimeoutExpired):
            raise LoadError(
                f"loading the BPF programs took more than {timeout:g} s and was ended",
                "Is the machine out of memory or CPU? Start the exporter again.",
            ) from None
        finally:
            child.kill()
            child.wait()
        if isinstance(received, LoadedPrograms):
            return received
        raise received or _died(child.returncode, output)


def _start(
    channel: socket.socket, output: BinaryIO, *arguments: str
) -> subprocess.Popen[bytes]:
    descriptor = channel.fileno()
    try:
        return subprocess.Popen(
            [
                sys.executable,
                "-I",
                str(CHILD),
                str(descriptor),
                *arguments,
            ],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    except OSError as error:
        raise LoadError(
            f"cannot start {sys.executable} to load the BPF programs: {error.strerror}"
        ) from error


def _died(status: int, output: BinaryIO) -> LoadError:
    """Tell how the child ended and what it, clang or the kernel said last."""
    if status < 0:
        named = {each.value: each.name for each in signal.Signals}
        how = f"was killed by {named.get(-status, f'signal {-status}')}"
    else:
        how = f"exited with status {status}"
    output.seek(0)
    lines = output.read().decode(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    return LoadError(
        f"the process that loads the BPF programs {how}; it said: {said}",
        "It needs about 150 MB of memory for a moment.",
    )
