"""Commands of the runbooks for a host on which no file can be opened."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.commands.waits import to_rows
from fanotify_exporter.landing.page import render
from fanotify_exporter.landing.summary_reader import SummaryReader
from tools.harness.golden import registry
from tools.harness.requirements import missing
from tools.harness.rules.shipped import RUNBOOKS
from tools.harness.stall import SCANNED, container, stalled


BASH = shutil.which("bash") or ""
PAGES = ("FanotifyMultipleBlockingProcesses", "FanotifyExporterWebConfigStale")


@pytest.mark.parametrize("page", PAGES)
def test_only_shell_builtins_are_needed(page: str, tmp_path: Path) -> None:
    """Without any external program the loop finds a listener, and kill ends it."""
    text = (RUNBOOKS / f"{page}.md").read_text()
    ((loop, names, number),) = re.findall(
        r"^  # LC_ALL=C\n  # (for .*?in (\w+\|\w+)\).*?\n    done\n).*?# kill -9 (\d+)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert f"{names.partition('|')[0]} {number}\n" in text
    program = tmp_path / "sleeping"
    program.symlink_to(str(shutil.which("sleep")))
    with subprocess.Popen([program, "60"]) as listener:
        try:
            command = loop.replace(names, "absent|sleeping")
            output = subprocess.check_output(
                [BASH, "-c", command], env={"PATH": str(tmp_path / "empty")}, text=True
            )
            assert f"sleeping {listener.pid}" in output.splitlines()
            kill = f"kill -9 {listener.pid}"
            subprocess.check_call([BASH, "-c", kill], env={"PATH": ""})
            assert -signal.SIGKILL == listener.wait(10)
        finally:
            listener.kill()


FAN_CLASS_NOTIF, FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT = 0, 4, 8
FAN_CLOEXEC = 1
# What the page about stalls shows of the listener and of the kernel.
SHOWN_PID = "7152"
SYSRQ = "/proc/sysrq-trigger"


@pytest.fixture(params=[FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT])
def permission_group(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold a group that can ask for permission, and has no marks."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(request.param | FAN_CLOEXEC, os.O_RDONLY)
    if group < 0:
        missing(f"fanotify_init: {os.strerror(ctypes.get_errno())}")
    yield
    os.close(group)


def emergency_commands() -> list[str]:
    """Return the blocks of commands for a root shell in the page about stalls."""
    page = (RUNBOOKS / "FanotifyPermissionStall.md").read_text()
    blocks = re.findall(r"^```\n(# .*?)^```", page, re.MULTILINE | re.DOTALL)
    return [
        "\n".join(
            line.removeprefix("# ")
            for line in block.splitlines()
            if line.startswith(("# ", "    ", "  "))
        )
        for block in blocks
    ]


def run_without_programs(command: str, folder: Path) -> str:
    """
    Run *command* in a bash that finds no program, and return the output.

    Asserts that bash asked for no program. Files of /proc may be gone meanwhile.
    """
    done = subprocess.run(
        [BASH, "-c", command],
        env={"PATH": str(folder / "empty")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "command not found" not in done.stderr
    assert "syntax error" not in done.stderr
    return done.stdout


@pytest.mark.usefixtures("permission_group")
def test_loop_finds_permission_groups(tmp_path: Path) -> None:
    """The loop of the page names this process as long as it has such a group."""
    (loop,) = [each for each in emergency_commands() if "fdinfo" in each]
    name = Path("/proc/self/comm").read_text().rstrip()
    output = run_without_programs(loop, tmp_path)
    assert f"{name} {os.getpid()}" in output.splitlines()


def test_loop_leaves_out_other_groups(tmp_path: Path) -> None:
    """The loop does not name a process whose group cannot ask for permission."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, os.O_RDONLY)
    if group < 0:
        missing(f"fanotify_init: {os.strerror(ctypes.get_errno())}")
    (loop,) = [each for each in emergency_commands() if "fdinfo" in each]
    output = run_without_programs(loop, tmp_path)
    os.close(group)
    assert str(os.getpid()) not in output.split()


def test_evidence_needs_no_program(tmp_path: Path) -> None:
    """The steps before the kill print the state of a process, and write to sysrq."""
    trigger = tmp_path / "sysrq-trigger"
    evidence = [
        each
        for each in emergency_commands()
        if SYSRQ in each or f"/proc/{SHOWN_PID}/" in each
    ]
    assert len(evidence) == 2
    command = "\n".join(evidence).replace(SYSRQ, str(trigger))
    command = command.replace(f"/{SHOWN_PID}/", f"/{os.getpid()}/")
    output = run_without_programs(command, tmp_path)
    assert f"Pid:\t{os.getpid()}" in output
    assert re.search(r"/task/\d+/stack$", output, re.MULTILINE)
    assert "l\n" == trigger.read_text()
    assert {f"kill -9 {SHOWN_PID}"} == {
        each for each in emergency_commands() if each.startswith("kill")
    }


@pytest.mark.parametrize(
    "page", ["FanotifyPermissionStall", "FanotifyPermissionDeadlock"]
)
def test_landing_page_without_a_browser(page: str) -> None:
    """The command for another machine prints listeners and tasks with their pids."""
    text = (RUNBOOKS / f"{page}.md").read_text()
    (filters,) = re.findall(
        r"^\$ curl -s http://HOST:10301/ \| (.*)$", text, re.MULTILINE
    )
    summary = SummaryReader().read(registry().scrape().collect())
    waits = to_rows(stalled(), container, SCANNED)
    html = render(summary, "/metrics", "host", 0, waits=waits)
    output = subprocess.check_output([BASH, "-c", filters], input=html).decode()
    listeners, _, tasks = output.partition("\nWho waits")
    assert "wdavdaemon\npid 812, content\n" in listeners
    assert "bash\npid 5000\n" in tasks
