"""Show single calls as they return, with all their arguments."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fanotify_exporter.bpf.call_records import CALLS, RING_BYTES, Call, Filter, parse
from fanotify_exporter.bpf.loaded import LoadedTrace
from fanotify_exporter.bpf.missed_runs import BPF_OBJ_GET_INFO_BY_FD
from fanotify_exporter.bpf.ring_buffer import RingBuffer
from fanotify_exporter.commands.cgroups import find_cgroup_root, start_cgroups
from fanotify_exporter.errors import ExporterError
from fanotify_exporter.loader import run as loader
from fanotify_exporter.options import values
from fanotify_exporter.options.flags import Build, hook_flag
from fanotify_exporter.options.model import TraceOptions
from fanotify_exporter.options.parser import PROGRAM, Parser
from fanotify_exporter.procfs import PROC
from fanotify_exporter.system import privileges, seccomp
from fanotify_exporter.system.signals import STOP_SIGNALS
from fanotify_exporter.trace import json_lines, text
from fanotify_exporter.trace.losses import Losses, tell
from fanotify_exporter.trace.output import Output
from fanotify_exporter.trace.shown import AT_FDCWD, ShownCall
from fanotify_exporter.uapi.printable import printable_text


# Time between looks at signals, at --duration and at lost calls.
TICK_SECONDS = 0.25

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2

# The descriptors of other users' processes; proc(5), "ptrace access mode".
RESOLVE_CAPABILITIES = frozenset({"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"})


def add_flags(parser: Parser) -> Build[TraceOptions]:
    """Add the flags of ``trace``."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object for each call"
    )
    parser.add_argument(
        "--syscall",
        type=lambda names: values.one_of_each(names, tuple(CALLS.values())),
        dest="syscalls",
        metavar="NAME,...",
        help=f"show only these calls, of {', '.join(CALLS.values())}",
    )
    parser.add_argument(
        "--comm",
        type=values.comm,
        metavar="NAME",
        help="show only calls of threads with this name, of at most 15 bytes",
    )
    parser.add_argument(
        "--uid",
        type=values.uid,
        metavar="USER",
        help="show only calls of this real user, a number or a name",
    )
    parser.add_argument(
        "--failed", action="store_true", help="show only calls that failed"
    )
    parser.add_argument(
        "--errno",
        type=values.errno,
        metavar="NAME",
        help="show only calls that failed with this error, for example ENOSPC",
    )
    parser.add_argument(
        "--count",
        type=values.count,
        metavar="N",
        help="end after so many calls",
    )
    parser.add_argument(
        "--duration",
        type=values.interval,
        metavar="TIME",
        help="end after this time, for example 30s or 5m",
    )
    parser.add_argument(
        "--container",
        action="store_true",
        help="show the cgroup and the container of the caller",
    )
    parser.add_argument(
        "--resolve",
        action="store_true",
        help="show what /proc/PID/fd has for the descriptors, which the caller may "
        "have closed or used again since the call",
    )
    hook = hook_flag(parser)
    return lambda found: TraceOptions(
        hook=hook(found),
        json=found.json,
        syscalls=found.syscalls or tuple(CALLS.values()),
        comm=found.comm,
        uid=found.uid,
        failed=found.failed,
        errno=found.errno,
        count=found.count,
        duration=found.duration,
        container=found.container,
        resolve=found.resolve,
    )


def run(options: TraceOptions) -> int:
    """
    Show calls until a stop signal, --count, --duration or the end of the reader.

    Returns 0.

    Raises:
        LoadError: no method attaches the programs.
    """
    STOP_SIGNALS.install()
    wanted = Filter(
        options.syscalls, options.comm, options.uid, options.errno, options.failed
    )
    try:
        with ExitStack() as stack:
            loaded = loader.load_trace(options.hook, wanted)
            trace(options, loaded, stack)
    except BrokenPipeError:
        # Python flushes standard output at the exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_RDONLY), STANDARD_OUTPUT)
    except ExporterError:
        if not STOP_SIGNALS.received:
            raise
    return 0


def trace(options: TraceOptions, loaded: LoadedTrace, stack: ExitStack) -> None:
    """Drop privileges, show calls, and tell what was lost."""
    losses = Losses(loaded)
    records = RingBuffer(loaded.fds["records"], RING_BYTES)
    root = find_cgroup_root() if options.container else None
    privileges.drop(RESOLVE_CAPABILITIES if options.resolve else (), user=None)
    reads_links = any(probe.links for probe in loaded.probes)
    try:
        seccomp.install([BPF_OBJ_GET_INFO_BY_FD] if reads_links else [])
    except OSError as error:
        say(f"tracing without a seccomp filter: {error}")
    look = Look(
        cgroup=start_cgroups(root, stack) if options.container else None,
        resolves=options.resolve,
    )
    line = json_lines.line if options.json else partial(text.line, colours=colours())
    say(start_text(loaded))
    ended = Ending(options.duration)
    output = Output(STANDARD_OUTPUT, lambda: STOP_SIGNALS.received is not None)
    shown, unread = 0, 0
    told: dict[str, int] = {}
    for call in received(records, ended):
        if call is not None:
            if output.write(line(look.at(call))):
                shown += 1
            else:
                unread += 1
            if shown == options.count:
                break
            continue
        now = losses.read()
        if now != told:
            say(f"lost calls so far: {tell(now)}")
            told = now
    say_end(shown, losses.read() | ({"unread": unread} if unread else {}))


def received(records: RingBuffer, ended: Callable[[], bool]) -> Iterator[Call | None]:
    """Yield the calls until *ended* returns True, and None at each tick."""
    while True:
        is_last = ended()
        for record in records.read():
            yield parse(record)
        yield None
        if is_last:
            return
        records.wait(TICK_SECONDS)


@dataclass
class Ending:
    """Tells whether to end: a stop signal has come, or the time is over."""

    duration: int | None

    def __post_init__(self) -> None:
        """Start the time."""
        self._started = time.monotonic()

    def __call__(self) -> bool:
        """Return whether to end."""
        seconds = time.monotonic() - self._started
        over = self.duration is not None and seconds >= self.duration
        return over or STOP_SIGNALS.received is not None


@dataclass(frozen=True)
class Look:
    """What is looked up for each call: the cgroup, and the files of descriptors."""

    cgroup: Callable[[int], tuple[str, str]] | None
    resolves: bool

    def at(self, call: Call) -> ShownCall:
        """Return *call* with what is looked up."""
        now = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        cgroup = self.cgroup(call.cgroup) if self.cgroup else None
        fd, dirfd = None, None
        if self.resolves and call.syscall in ("fanotify_mark", "inotify_add_watch"):
            fd = resolve(call.pid, f"fd/{call.fd}")
        if self.resolves and call.syscall == "fanotify_mark":
            here = "cwd" if call.dirfd == AT_FDCWD else f"fd/{call.dirfd}"
            dirfd = resolve(call.pid, here)
        return ShownCall(call, now + call.boot_ns, cgroup, fd, dirfd)


def resolve(pid: int, name: str) -> str | None:
    """Return where the link *name* of process *pid* leads, None if it is gone."""
    try:
        path = Path(PROC, str(pid), name).readlink()
    except OSError:
        return None
    return printable_text(os.fsencode(path))


def colours() -> bool:
    """Return whether lines have colours: on a terminal, without NO_COLOR."""
    return os.isatty(STANDARD_OUTPUT) and not os.environ.get("NO_COLOR")


def start_text(loaded: LoadedTrace) -> str:
    """Return what to know of the hook before the first call."""
    notes = [f"tracing by {loaded.hook}"]
    if not loaded.sees_compat:
        notes.append("32-bit calls are not seen")
    if loaded.slows_all_syscalls:
        notes.append("every system call of the host is slower meanwhile")
    return "; ".join(notes)


def say_end(shown: int, lost: dict[str, int]) -> None:
    """Say how many calls were shown, and how many were lost."""
    say(f"{shown} calls shown; lost: {tell(lost) or 'none'}")


def say(message: str) -> None:
    """Print *message* on standard error, if anybody reads there."""
    with suppress(OSError):
        print(f"{PROGRAM}: {message}", file=sys.stderr, flush=True)
