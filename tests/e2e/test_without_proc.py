"""An exporter whose /proc goes away goes on counting."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.serving import LISTEN, Exporter, serving


PRIVATE_MOUNTS = ("unshare", "--mount", "--propagation=private")
COMM = f"e2e-proc-{os.getpid()}"


def reasons(exporter: Exporter) -> set[str]:
    """Scrape, and return the reasons of lost calls."""
    found = exporter.samples("fanotify_exporter_lost_calls_total")
    return {sample.labels["reason"].partition("_")[0] for sample in found}


def test_calls_without_proc(tmp_path: Path) -> None:
    """Only the series that come from /proc are missing, and one warning says so."""
    log = tmp_path / "exporter.log"
    with serving(log, LISTEN, prefix=PRIVATE_MOUNTS) as exporter:
        before = reasons(exporter)
        caller.make(tmp_path, Calls(COMM.encode(), 0x180, 0, 5, errno.EBADF))
        enter = ("nsenter", f"--target={exporter.pid}", "--mount")
        hide = ("mount", "-t", "tmpfs", "tmpfs", "/proc")
        subprocess.run([*enter, *hide], check=True)
        caller.make(tmp_path, Calls(COMM.encode(), 0x180, 0, 7, errno.EBADF))
        calls = exporter.calls(COMM, 12)
        after = [reasons(exporter) for _ in range(3)]
        works = {
            sample.labels["collector"]: sample.value
            for sample in exporter.samples("fanotify_exporter_collector_success")
        }
    warnings = [line for line in exporter.process.lines() if "the kernel hid" in line]

    assert 12 == sum(calls.values())
    assert {"recursion"} == before - after[0]
    assert [after[0]] * 3 == after
    for name in ("mark_calls", "init_calls", "exporter_health"):
        assert 1 == works[name]
    assert 1 == len(warnings)
