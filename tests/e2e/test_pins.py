"""Pinned programs count while no exporter runs; the next exporter adopts them."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Event, Thread

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from fanotify_exporter.loader.run import CHILD
from tools import CHECKOUT
from tools.harness import caller, privileges
from tools.harness.caller import Calls
from tools.harness.serving import LISTEN, SCRIPT, Exporter, serving


pytestmark = pytest.mark.whole_host

RESTARTS = 20
COMM = f"e2e-pin-{os.getpid()}"
WITHOUT_WAITS = "--no-collector.permission"
# One set of programs, whatever the kernel allows.
CALLS_ONLY = ("--collector.disable-defaults", "--collector.mark_calls")


def failing(comm: str, times: int) -> Calls:
    return Calls(comm.encode(), 0x180, 0, times, errno.EBADF)


def total(exporter: Exporter, comm: str, expected: int) -> float:
    return sum(exporter.calls(comm, expected).values())


def log_of(exporter: Exporter) -> str:
    return "\n".join(exporter.process.lines())


def test_kill_and_restart_lose_nothing(pins: Path, tmp_path: Path) -> None:
    """20 times kill -9 during calls from two processes lose no call."""
    made: Counter[str] = Counter()
    done = Event()

    def call_on(comm: str) -> None:
        while not done.is_set():
            caller.make(tmp_path, failing(comm, 500))
            made[comm] += 500

    arguments = (LISTEN, f"--bpf.pin={pins}")
    callers = [Thread(target=call_on, args=(f"{COMM}-{n}",)) for n in "ab"]
    for restart in range(RESTARTS + 1):
        with serving(tmp_path / f"{restart}.log", *arguments) as exporter:
            if not restart:
                for each in callers:
                    each.start()
            assert bool(restart) == ("adopted" in log_of(exporter))
            exporter.get()
            exporter.stop(signal.SIGKILL)
    done.set()
    for each in callers:
        each.join()

    with serving(tmp_path / "last.log", *arguments) as exporter:
        assert min(made.values()) > 1000
        assert made == {comm: total(exporter, comm, n) for comm, n in made.items()}


def test_pins_need_root_at_the_start_only(pins: Path, tmp_path: Path) -> None:
    """With the unit's capabilities, root pins and adopts, and another user serves."""
    text = (CHECKOUT / "deploy/systemd/pins.conf").read_text()
    text += (CHECKOUT / "deploy/systemd/fanotify-exporter.service").read_text()
    lines = re.findall("^CapabilityBoundingSet=(.*)", text, re.MULTILINE)
    names = [each.removeprefix("CAP_").lower() for each in " ".join(lines).split()]
    flags = (LISTEN, f"--bpf.pin={pins}", "--run.user=nobody")
    for start in (0, 1):
        log = tmp_path / f"{start}.log"
        prefix = privileges.capabilities(only=names)
        with serving(log, *flags, prefix=prefix) as exporter:
            status = Path(f"/proc/{exporter.pid}/status").read_text()
            assert "\nUid:\t65534\t65534\t65534\t65534\n" in status
            caller.make(tmp_path, failing(f"{COMM}-u", 7))
            expected = 7 * (start + 1)
            assert expected == total(exporter, f"{COMM}-u", expected)
            assert bool(start) == ("adopted" in log_of(exporter))


def test_second_exporter_is_refused(pins: Path, tmp_path: Path) -> None:
    """A second exporter with the same pins exits with status 1 and says why."""
    arguments = (LISTEN, f"--bpf.pin={pins}")
    with serving(tmp_path / "first.log", *arguments):
        second = subprocess.run([SCRIPT, *arguments], capture_output=True, check=False)

    assert 1 == second.returncode
    assert f"another exporter uses the pins in {pins}".encode() in second.stderr


def test_other_programs_replace_the_pinned(pins: Path, tmp_path: Path) -> None:
    """Other settings load new programs and remove the old pins."""
    for size in (64, 128):
        flags = (*CALLS_ONLY, f"--bpf.pin={pins}", f"--bpf.max-entries={size}")
        arguments = (LISTEN, *flags)
        with serving(tmp_path / f"{size}.log", *arguments) as exporter:
            caller.make(tmp_path, failing(COMM, 23))
            assert 23 == total(exporter, COMM, 23)
            log = log_of(exporter)
            assert (size == 128) == ("replaced pinned programs" in log)
            assert "adopted" not in log
        assert 1 == len(list(pins.iterdir()))


def test_programs_that_nobody_needs_are_unpinned(pins: Path, tmp_path: Path) -> None:
    """Other collectors load other programs, and without collectors no pin is left."""
    collectors = (
        "--collector.mark_calls",
        "--collector.init_calls",
        "--collector.limits",
    )
    for collector in collectors:
        flags = ("--collector.disable-defaults", collector)
        arguments = (LISTEN, f"--bpf.pin={pins}", *flags)
        log = tmp_path / f"{collector}.log"
        with serving(log, *arguments) as exporter:
            assert "adopted" not in log_of(exporter)
        assert (collector != "--collector.limits") == len(list(pins.iterdir()))


def test_pins_are_private(pins: Path, tmp_path: Path) -> None:
    """Other users cannot list, read or remove pins."""
    with serving(tmp_path / "exporter.log", LISTEN, f"--bpf.pin={pins}"):
        pass
    for path in (pins, *pins.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


@pytest.mark.parametrize(("owner", "mode"), [(65534, 0o700), (0, 0o770), (0, 0o701)])
def test_a_folder_that_is_not_private(pins: Path, owner: int, mode: int) -> None:
    """A folder of another user, or open to other users, is rejected."""
    pins.mkdir()
    pins.chmod(mode)
    os.chown(pins, owner, 0)
    command = [str(SCRIPT), LISTEN, f"--bpf.pin={pins}"]
    done = subprocess.run(command, capture_output=True, check=False)
    os.chown(pins, 0, 0)
    pins.chmod(0o700)

    assert 1 == done.returncode
    assert b"belongs to another user or is open to other users" in done.stderr


def exported_times(exporter: Exporter) -> set[float]:
    """Scrape, and return when counting began and when COMM first called."""
    openmetrics = {"Accept": "application/openmetrics-text"}
    text = exporter.get(headers=openmetrics).body.decode()
    samples = [
        sample
        for family in parse(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    ]
    start = "fanotify_exporter_counting_start_time_seconds"
    return {
        sample.value
        for sample in samples
        if (sample.name == start and sample.labels["programs"] == "calls")
        or (
            (sample.name == "fanotify_mark_calls_created")
            and sample.labels["comm"] == COMM
        )
    }


def test_wall_clock_step(pins: Path, tmp_path: Path) -> None:
    """A restart with a wall clock that is an hour ahead moves no exported time."""
    # libfaketime breaks sleeps, so no thread scans for groups or waiting tasks.
    flags = ("--web.created-samples", "--no-collector.groups", WITHOUT_WAITS)
    arguments = (LISTEN, f"--bpf.pin={pins}", *flags)
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    ahead = {
        "LD_PRELOAD": str(library),
        "FAKETIME": "+1h",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with serving(tmp_path / "first.log", *arguments) as exporter:
        caller.make(tmp_path, failing(COMM, 3))
        total(exporter, COMM, 3)
        before = exported_times(exporter)
    with serving(tmp_path / "second.log", *arguments, env=ahead) as exporter:
        date = exporter.get().headers["Date"]
        after = exported_times(exporter)

    assert parsedate_to_datetime(date).timestamp() > time.time() + 1800
    assert 2 == len(before)
    assert before == after


def test_start_by_adopting_needs_no_compiler(pins: Path, tmp_path: Path) -> None:
    """The second start runs no loader child, so it needs neither bcc nor LLVM."""
    arguments = [LISTEN, f"--bpf.pin={pins}"]
    with serving(tmp_path / "first.log", *arguments) as exporter:
        probes = exporter.samples("fanotify_exporter_probe_attached")
    if not any(each.labels["probe"] == "permission_wait" for each in probes):
        # Each start tries again to load programs that the kernel has refused.
        arguments.append(WITHOUT_WAITS)
    trace = ["strace", "-D", "-f", "-s", "4096", "-e", "trace=execve"]
    traced = [*trace, "-o", f"{tmp_path}/trace"]
    with serving(tmp_path / "second.log", *arguments, prefix=traced) as exporter:
        assert 200 == exporter.get("/-/ready").status
    commands = (tmp_path / "trace").read_text()
    assert str(SCRIPT) in commands
    assert str(CHILD) not in commands


def test_unpin(pins: Path, tmp_path: Path) -> None:
    """After unpin nothing counts; the next exporter counts from 0."""
    arguments = (LISTEN, *CALLS_ONLY, f"--bpf.pin={pins}")
    with serving(tmp_path / "first.log", *arguments):
        caller.make(tmp_path, failing(COMM, 29))
    command = [str(SCRIPT), "unpin", f"--bpf.pin={pins}"]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert f"removed 1 set(s) of pinned programs from {pins}\n" == said
    assert [] == list(pins.iterdir())

    with serving(tmp_path / "second.log", *arguments) as exporter:
        caller.make(tmp_path, failing(COMM, 31))
        assert 31 == total(exporter, COMM, 31)


def test_a_folder_outside_bpffs(tmp_path: Path) -> None:
    """A folder outside a bpffs is rejected; the error says how to mount one."""
    command = [str(SCRIPT), LISTEN, f"--bpf.pin={tmp_path}"]
    done = subprocess.run(command, capture_output=True, check=False)

    assert 1 == done.returncode
    assert (
        b"is in no bpffs. Mount a bpffs (mount -t bpf bpf /sys/fs/bpf)" in done.stderr
    )


def test_unpin_without_a_directory() -> None:
    """Unpin without --bpf.pin exits with status 2 and names the flag."""
    done = subprocess.run([SCRIPT, "unpin"], capture_output=True, check=False)

    assert 2 == done.returncode
    assert b"unpin needs --bpf.pin=DIR" in done.stderr
