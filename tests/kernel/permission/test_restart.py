"""A restart with pins in the middle of a stall: waits and their ages go on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.procfs.mounts import read_mounted
from fanotify_exporter.system.machine import kernel_version
from tools.harness.permission.listener import listening
from tools.harness.permission.opener import opening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, SCRIPT, Exporter, samples, serving


COLLECTOR = ("--collector.disable-defaults", "--collector.permission")
WAITING = "fanotify_permission_waiting_tasks"
OLDEST = "fanotify_permission_oldest_wait_seconds"
LAST_PASS = "fanotify_exporter_waits_last_pass_timestamp_seconds"


@pytest.fixture
def pins(programs: LoadedPermission) -> Iterator[Path]:
    """Return a folder in the bpffs that does not exist yet."""
    if programs.iterator_reason:
        pytest.skip(f"only the iterator knows ages: {programs.iterator_reason}")
    if kernel_version() < (5, 15):
        pytest.skip("pins of these programs need Linux 5.15")
    mounted = read_mounted("bpf")
    if not mounted:
        pytest.skip("no bpffs is mounted")
    folder = Path(mounted[0]) / f"permission-{os.getpid()}"
    yield folder
    subprocess.run([SCRIPT, "unpin", f"--bpf.pin={folder}"], check=True)
    folder.rmdir()


def value(exporter: Exporter, name: str, **labels: str) -> float:
    """Return the sum of the series with *labels*; -1 if there is none."""
    found = [
        sample.value
        for sample in exporter.samples(name)
        if labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else -1.0


def begin(exporter: Exporter, comm: str, waiting: int) -> float:
    """Return the Unix time when the oldest of *waiting* tasks began to wait."""
    seen = poll(lambda: value(exporter, WAITING, comm=comm), lambda got: got == waiting)
    assert waiting == seen
    text = exporter.get().body.decode()
    ((age,), (last_pass,)) = (
        [
            each.value
            for each in samples(text, name)
            if each.labels.get("comm", comm) == comm
        ]
        for name in (OLDEST, LAST_PASS)
    )
    assert age >= 0
    return last_pass - age


def lost(exporter: Exporter, reason: str) -> float:
    """Return the number of lost waits by *reason*."""
    labels = {"probe": "permission_wait", "reason": reason}
    return max(0.0, value(exporter, "fanotify_exporter_lost_calls_total", **labels))


def test_restart_in_a_stall(
    programs: LoadedPermission, pins: Path, scratch: Path, tmp_path: Path
) -> None:
    """The next exporter adopts the programs; it shows and counts the same waits."""
    hook = f"--bpf.hook={programs.hook}"
    flags = (LISTEN, hook, f"--bpf.pin={pins}", *COLLECTOR)
    with ExitStack() as stack:
        enter = stack.enter_context
        listener = enter(listening())
        comm = listener.comm
        listener.mark(scratch)
        early = enter(opening(scratch, tasks=5))
        first = enter(serving(tmp_path / "first.log", *flags))
        begin(first, comm, 5)
        late = enter(opening(scratch, tasks=3))
        before = begin(first, comm, 8)
        first.stop(signal.SIGKILL)
        second = enter(serving(tmp_path / "second.log", *flags))
        after = begin(second, comm, 8)
        listener.kill()
        early.finish()
        late.finish()
        name, end = "fanotify_permission_waits_total", "listener_closed"
        closed = value(second, name, comm=comm, end=end)
        unchecked = value(second, "fanotify_unchecked_accesses_total", comm=comm)
        name = "fanotify_permission_wait_seconds_count"
        measured = value(second, name, comm=comm)
        missed, no_begin = lost(second, "recursion"), lost(second, "no_begin")
        log = "\n".join(second.process.lines())

    assert "adopted" in log
    # The two clocks of a pass are read one after the other.
    assert before == pytest.approx(after, abs=2)
    assert 8 == closed + missed
    assert closed == unchecked == measured + no_begin
    assert no_begin >= 5 - missed
