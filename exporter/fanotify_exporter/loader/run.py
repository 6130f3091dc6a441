"""
Run the loader child and receive the programs that the child loaded.

The child imports bcc. The serving process, which imports this module, does not.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from fanotify_exporter.bpf.loaded import (
    SYSCALLS,
    LoadedCalls,
    LoadedEvents,
    LoadedFsnotify,
    LoadedPermission,
    LoadedPrograms,
    LoadedTrace,
)
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS, counted_as
from fanotify_exporter.loader.events_methods import EVENTS_METHODS
from fanotify_exporter.loader.handover import receive
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS
from fanotify_exporter.system.signals import STOP_SIGNALS


if TYPE_CHECKING:
    from fanotify_exporter.bpf.call_records import Filter


# Compiling takes 1 to 2 s on an idle machine, and took more than 30 s in an emulated
# guest on a busy one.
TIMEOUT_SECONDS = 60.0

Loaded = TypeVar("Loaded", bound=LoadedPrograms)

CHILD = Path(__file__).with_name("child.py")


def load(  # noqa: PLR0913  the settings of the programs
    hook: str,
    max_entries: int,
    max_user_entries: int,
    *,
    container: bool = False,
    syscalls: Sequence[str] = SYSCALLS,
    timeout: float = TIMEOUT_SECONDS,
) -> LoadedCalls:
    """
    Load and attach the programs that count calls, in a child process.

    A stop signal ends the child.

    Args:
        hook: "auto", a value of --bpf.hook, or the name of an attach method.
        max_entries: maximum distinct keys of privileged callers.
        max_user_entries: maximum distinct keys of all other callers together.
        container: whether the cgroup is a part of the key.
        syscalls: elements of SYSCALLS to count.
        timeout: seconds that the child may take.

    Raises:
        LoadError: the child could not load the programs, died, or took too long.
    """
    settings = {
        "max_entries": max_entries,
        "max_user_entries": max_user_entries,
        "container": container,
        "syscalls": list(syscalls),
    }
    return _load("calls", _select(ATTACH_METHODS, hook), settings, timeout, LoadedCalls)


def load_permission(
    hook: str, *, container: bool = False, timeout: float = TIMEOUT_SECONDS
) -> LoadedPermission:
    """
    Load and attach the programs that count permission waits, in a child process.

    A stop signal ends the child.

    Args:
        hook: "auto", a hook, or the name of an attach method.
        container: whether the listener's cgroup is a part of the key.
        timeout: seconds that the child may take.

    Raises:
        LoadError: *hook* has no method for these programs, or the child could not load
            the programs, died, or took too long.
    """
    methods = _require(PERMISSION_METHODS, hook, "permission waits")
    settings = {"container": container}
    return _load("permission", methods, settings, timeout, LoadedPermission)


def load_events(
    hook: str, *, container: bool = False, timeout: float = TIMEOUT_SECONDS
) -> LoadedEvents:
    """
    Load and attach the programs that count events, in a child process.

    A stop signal ends the child.

    Args:
        hook: "auto", a hook, or the name of an attach method.
        container: whether the listener's cgroup is a part of the key.
        timeout: seconds that the child may take.

    Raises:
        LoadError: *hook* has no method for these programs, or the child could not load
            the programs, died, or took too long.
    """
    methods = _require(EVENTS_METHODS, hook, "events")
    settings = {"container": container}
    return _load("events", methods, settings, timeout, LoadedEvents)


def load_trace(
    hook: str, wanted: Filter, ring_bytes: int, *, timeout: float = TIMEOUT_SECONDS
) -> LoadedTrace:
    """
    Load and attach the programs that send a record of each *wanted* call.

    A stop signal ends the child.

    Args:
        hook: "auto", a value of --bpf.hook, or the name of an attach method.
        ring_bytes: size of the ring buffer, a power of two and of pages.
        timeout: seconds that the child may take.

    Raises:
        LoadError: the child could not load the programs, died, or took too long.
    """
    settings = {
        "wanted": wanted.pack().hex(),
        "ring_bytes": ring_bytes,
        "syscalls": sorted(map(counted_as, wanted.syscalls)),
    }
    return _load("trace", _select(ATTACH_METHODS, hook), settings, timeout, LoadedTrace)


def load_fsnotify(*, timeout: float = TIMEOUT_SECONDS) -> LoadedFsnotify:
    """
    Load the iterator over groups and instances, in a child process.

    A stop signal ends the child.

    Args:
        timeout: seconds that the child may take.

    Raises:
        LoadError: the child could not load the iterator, died, or took too long.
    """
    return _load("fsnotify", (), {}, timeout, LoadedFsnotify)


def _select(methods: Sequence[AttachMethod], hook: str) -> list[str]:
    """Return the names of the *methods* that *hook* selects."""
    return [
        method.name for method in methods if hook in ("auto", method.hook, method.name)
    ]


def _require(methods: Sequence[AttachMethod], hook: str, seen: str) -> list[str]:
    """
    Return the names of the *methods* that *hook* selects.

    Raises:
        LoadError: *hook* selects none.
    """
    selected = _select(methods, hook)
    if not selected:
        hooks = dict.fromkeys(each.hook for each in methods)
        raise LoadError(
            f"no program sees {seen} by the hook {hook}: they need {' or '.join(hooks)}"
        )
    return selected


def _load(
    programs: str,
    methods: Sequence[str],
    settings: Mapping[str, Any],
    timeout: float,
    kind: type[Loaded],
) -> Loaded:
    """
    Run the child, and return the programs of *kind* that the child sends.

    Raises:
        LoadError: the child could not load the programs, died, or took too long.
    """
    arguments = (programs, ",".join(methods), json.dumps(settings))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, os.fdopen(os.memfd_create("loader"), "r+b") as output:
        child = _start(theirs, output, *arguments)
        theirs.close()
        ours.settimeout(timeout)
        try:
            with STOP_SIGNALS.reacting(child.kill):
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
        if isinstance(received, kind):
            return received
        if isinstance(received, LoadError):
            raise received
        raise _explain_exit(child.returncode, output)


def _start(
    channel: socket.socket, output: BinaryIO, *arguments: str
) -> subprocess.Popen[bytes]:
    """
    Start the child with *channel* as its only inherited descriptor.

    Raises:
        LoadError: the system cannot start the process.
    """
    descriptor = channel.fileno()
    try:
        return subprocess.Popen(
            [sys.executable, "-I", str(CHILD), str(descriptor), *arguments],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    except OSError as error:
        raise LoadError(
            f"cannot start {sys.executable} to load the BPF programs: {error.strerror}"
        ) from error


def _explain_exit(status: int, output: BinaryIO) -> LoadError:
    """Return an error with the child's exit status and the last line of *output*."""
    if status < 0:
        names = {each.value: each.name for each in signal.Signals}
        ending = f"was killed by {names.get(-status, f'signal {-status}')}"
    else:
        ending = f"exited with status {status}"
    output.seek(0)
    lines = output.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    printed = f"; its last output: {last}" if last else " and printed nothing"
    return LoadError(
        f"the process that loads the BPF programs {ending}{printed}",
        "The process needs about 150 MB of memory for a few seconds.",
    )
