"""Calls of other projects' programs are told as strace(1) tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.uapi.errnos import errno_name
from fanotify_exporter.uapi.printable import printable_text
from tools.harness.strace import Threads, trace_every_call
from tools.harness.traced_calls import Traced


pytestmark = pytest.mark.any_hook


@pytest.mark.parametrize(
    "command",
    [
        ["fatrace", "--seconds", "1"],
        ["fsnotifywait", "--timeout", "1", "."],
        ["inotifywait", "--timeout", "1", "--recursive", "/etc/apt"],
        ["stress-ng", "--fanotify", "2", "--fanotify-ops", "300"],
        ["stress-ng", "--inotify", "1", "--inotify-ops", "30"],
    ],
    ids=["fatrace", "fsnotifywait", "inotifywait", "stress-ng", "stress-ng-inotify"],
)
def test_arguments_equal_those_of_strace(
    traced: Traced, tmp_path: Path, command: list[str]
) -> None:
    """Each call of each thread has the arguments and the result that strace tells."""
    told = trace_every_call(command, tmp_path)
    assert told
    received: Threads = {tid: [] for tid in told}
    for call in traced.calls():
        if call.tid in told:
            received[call.tid].append(as_strace(call))
    if traced.lost:
        pytest.skip(f"{traced.lost} calls are told as lost: inconclusive")
    assert told == received


def as_strace(call: Call) -> tuple[str, ...]:
    """Return name, arguments and result of *call* as parse_every_call() does."""
    path = "NULL"
    if call.pathname is not None:
        path = f'"{printable_text(call.pathname)}"'
    flags, mask = str(call.flags), str(call.mask)
    result = errno_name(-call.result) if call.result < 0 else str(call.result)
    arguments = {
        "fanotify_mark": (str(call.fd), flags, mask, str(call.dirfd), path),
        "fanotify_init": (flags, mask),
        "inotify_init": (),
        "inotify_init1": (flags,),
        "inotify_add_watch": (str(call.fd), path, mask),
    }
    return call.syscall, *arguments[call.syscall], result
