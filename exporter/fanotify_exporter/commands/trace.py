"""Show single calls as they return, with all their arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from fanotify_exporter.bpf.call_records import CALLS, RING_BYTES, Call, Filter
from fanotify_exporter.bpf.loaded import LoadedTrace
from fanotify_exporter.bpf.missed_runs import BPF_OBJ_GET_INFO_BY_FD
from fanotify_exporter.bpf.ring_buffer import RingBuffer
from fanotify_exporter.commands.call_details import CallDetails
from fanotify_exporter.errors import ExporterError, UsageError
from fanotify_exporter.loader import run as loader
from fanotify_exporter.options import values
from fanotify_exporter.options.flags import Build, hook_flag
from fanotify_exporter.options.model import TraceOptions
from fanotify_exporter.options.parser import PROGRAM, Parser
from fanotify_exporter.procfs.pid_namespace import is_initial_pid_namespace
from fanotify_exporter.system import privileges, seccomp
from fanotify_exporter.system.signals import STOP_SIGNALS
from fanotify_exporter.trace import json_lines, text
from fanotify_exporter.trace.ending import Ending
from fanotify_exporter.trace.loop import Trace
from fanotify_exporter.trace.losses import Losses, format_losses
from fanotify_exporter.trace.output import Messages, open_unblocked


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
        type=lambda names: values.names(names, tuple(CALLS.values())),
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
        help="show the files of the caller's descriptors, which the caller may have "
        "closed or used again since the call",
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
        UsageError: --resolve cannot work here.
        LoadError: no method attaches the programs.
        OutputError: a line cannot be written.
    """
    STOP_SIGNALS.install(hangup_stops=True)
    if options.resolve and not is_initial_pid_namespace():
        raise UsageError(
            "--resolve needs the host's pid namespace, because the kernel tells the "
            "process ids of the host: run with --pid=host (hostPID: true), or without "
            "--resolve"
        )
    wanted = Filter(
        options.syscalls, options.comm, options.uid, options.errno, options.failed
    )
    try:
        loaded = loader.load_trace(options.hook, wanted, RING_BYTES)
    except ExporterError:
        if STOP_SIGNALS.received:
            return 0
        raise
    show(options, loaded, is_filtered=wanted.is_narrow)
    return 0


def show(options: TraceOptions, loaded: LoadedTrace, *, is_filtered: bool) -> None:
    """
    Drop privileges, show calls, and print how many were lost.

    Raises:
        OutputError: a line cannot be written.
    """
    # Before confine(), which refuses to open files for writing.
    output, messages = open_unblocked(STANDARD_OUTPUT), open_messages()
    losses = LossReport(Losses(loaded), messages, is_filtered=is_filtered)
    records = RingBuffer(loaded.fds["records"], RING_BYTES)
    details = CallDetails(container=options.container, resolve=options.resolve)
    confine(loaded, messages, resolve=options.resolve)
    ending = Ending(options.duration, lambda: STOP_SIGNALS.received is not None)
    colours = os.isatty(STANDARD_OUTPUT) and not os.environ.get("NO_COLOR")
    form = json_lines.line if options.json else partial(text.line, colours=colours)
    messages.print(describe(loaded))

    def line(call: Call) -> str:
        return form(details.add(call))

    trace = Trace(records, output, line, ending, losses.print_new)
    try:
        with suppress(BrokenPipeError):
            trace.run(options.count)
    finally:
        own = {"unread": trace.unread, "unfinished": trace.unfinished}
        losses.print_all(trace.shown, own)


def confine(loaded: LoadedTrace, messages: Messages, *, resolve: bool) -> None:
    """Drop capabilities, and refuse this process the system calls it does not need."""
    privileges.drop(RESOLVE_CAPABILITIES if resolve else (), user=None)
    reads_links = any(probe.links for probe in loaded.probes)
    try:
        seccomp.install([BPF_OBJ_GET_INFO_BY_FD] if reads_links else [])
    except OSError as error:
        messages.print(f"tracing without a seccomp filter: {error}")


class LossReport:
    """The lost calls, told as soon as there are new ones, and at the end."""

    def __init__(
        self, losses: Losses, messages: Messages, *, is_filtered: bool
    ) -> None:
        """Tell the counts of *losses* in *messages*."""
        self._losses = losses
        self._messages = messages
        self._format = partial(format_losses, is_filtered=is_filtered)
        self._printed: Mapping[str, int] = {}

    def print_new(self) -> None:
        """Print the counts if they have changed since they were printed."""
        counts = self._losses.read()
        if counts != self._printed:
            text = f"lost calls so far: {self._format(counts)}"
            if self._messages.print(text):
                self._printed = counts

    def print_all(self, shown: int, own: Mapping[str, int]) -> None:
        """Print how many calls were *shown*, and all lost ones with the trace's own."""
        counts = self._losses.read()
        counts |= {reason: count for reason, count in own.items() if count}
        lost = self._format(counts) or "none"
        self._messages.print(f"{shown} calls shown; lost: {lost}")


def open_messages() -> Messages:
    """Return messages to standard error."""
    return Messages(open_unblocked(STANDARD_ERROR), PROGRAM)


def describe(loaded: LoadedTrace) -> str:
    """Return the hook, and the calls that the hook does not see or slows."""
    notes = [f"tracing by {loaded.hook}"]
    if not loaded.sees_compat:
        notes.append("32-bit calls are not seen")
    if loaded.slows_all_syscalls:
        notes.append("every system call of the host is slower meanwhile")
    return "; ".join(notes)
