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
from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from exporter import handover
from exporter.errors import LoadError
from exporter.handover import Loaded
from exporter.hooks import LADDER, Rung


TIMEOUT_SECONDS = 30.0


def load(hook: str, max_entries: int, *, timeout: float = TIMEOUT_SECONDS) -> Loaded:
    """
    Attach by the first rung of the ladder that works and that *hook* allows.

    Args:
        hook: "auto", one of the ladder's hooks, or the name of a rung.
        max_entries: keys that fit for root, and again for all other users.
        timeout: seconds that each rung may take.

    Raises:
        LoadError: none works; the text has each one's reason and the thing to do.
    """
    reasons: dict[str, LoadError] = {}
    for rung in LADDER:
        if hook not in ("auto", rung.hook, rung.name):
            continue
        try:
            loaded = load_rung(rung, max_entries, timeout=timeout)
        except LoadError as error:
            reasons[rung.name] = error
        else:
            whys = {name: error.why for name, error in reasons.items()}
            return replace(loaded, reasons=whys)
    raise _none_works(reasons)


def _none_works(reasons: Mapping[str, LoadError]) -> LoadError:
    """Sum up; rungs with the same reason share it."""
    names: dict[str, list[str]] = {}
    for name, error in reasons.items():
        names.setdefault(error.why, []).append(name)
    whys = "; ".join(f"{', '.join(rungs)}: {why}" for why, rungs in names.items())
    advice = list(reasons.values())[-1].advice
    return LoadError(f"cannot attach to fanotify_mark: {whys}", advice)


def load_rung(
    rung: Rung, max_entries: int, *, timeout: float = TIMEOUT_SECONDS
) -> Loaded:
    """
    Attach by *rung* in a child process, and return what keeps the probes attached.

    Each rung has a process of its own: what crashes bcc there costs no other rung.

    Raises:
        LoadError: the child refused, died or hung.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, os.fdopen(os.memfd_create("loader"), "r+b") as output:
        child = _start(theirs, output, rung.name, str(max_entries))
        theirs.close()
        ours.settimeout(timeout)
        try:
            received = handover.receive(ours)
            child.wait(timeout)
        except (TimeoutError, subprocess.TimeoutExpired):
            raise LoadError(
                f"loading the BPF programs took more than {timeout:g} s and was ended",
                "Is the machine out of memory or CPU? Start the exporter again.",
            ) from None
        finally:
            child.kill()
            child.wait()
        if isinstance(received, Loaded):
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
                "-m",
                "exporter.probes",
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
