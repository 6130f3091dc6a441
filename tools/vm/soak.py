"""
Open files without pause under permission listeners: `python -m tools.vm.soak`.

The guests have the oldest kernel, and the newest kernel with preempt=full. Both stand
still for moments, again and again: one fault of counts was seen mostly in such guests.
The tests of tests/kernel that are marked soak run in both guests at the same time: the
counts equal those of the listeners and openers, and listeners that block each other for
moments are never deadlocked.

Needs root, the packages of `tools/packages/vm.txt`, and the project installed in
`.venv`. The exit status is 1 if a test failed or a kernel could not be fetched.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import shutil
import sys
from pathlib import Path

from tools import CHECKOUT
from tools.harness.permission.programs import LISTENER, OPENER, compile_program
from tools.vm import command, guest, initramfs
from tools.vm.apt import machine_mirror
from tools.vm.errors import HarnessError
from tools.vm.guest import RESULTS, Guest
from tools.vm.kernels import Kernel
from tools.vm.matrix import NEWEST, ROWS, Row
from tools.vm.schedule import Kernels


SOAKED = (ROWS[0], Row(NEWEST, "preempt=full"))
LOG = "soak.log"
# fentry and kprobe, each with opens for the whole time and cycles for half of it.
TIMES = 3
# Time of boot, of loading and of power-off.
MORE_SECONDS = 300.0


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = command.parser("tools.vm.soak", __doc__)
    add = parser.add_argument
    minutes = "time of opens without pause for each hook (default: 20)"
    add("--minutes", type=float, default=20.0, metavar="N", help=minutes)
    add("-k", dest="only", metavar="EXPRESSION", help="run these tests only, as pytest")
    parser.set_defaults(cache=CHECKOUT / ".cache/vm")  # shares the kernels of tools.vm
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Run the tests in both guests, print their logs, return the status."""
    kernels = Kernels(arguments.cache, machine_mirror(arguments.mirror))
    ready = [(row, kernels.newest(row.suite)) for row in SOAKED]
    for name in (LISTENER, OPENER):
        compile_program(name)
    return asyncio.run(run_guests(ready, arguments))


async def run_guests(
    ready: list[tuple[Row, Kernel | HarnessError]], arguments: argparse.Namespace
) -> int:
    """Return 0 if the tests passed on every row of *ready*."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(passes(row, kernel, arguments)) for row, kernel in ready
        ]
    return 0 if all(task.result() for task in tasks) else 1


async def passes(
    row: Row, kernel: Kernel | HarnessError, arguments: argparse.Namespace
) -> bool:
    """Run the tests in a guest of *row*, print the log, return True on success."""
    if isinstance(kernel, HarnessError):
        raise kernel
    label = row.label(kernel)
    results = empty_folder(arguments.cache / "soak" / label.replace(" ", "-"))
    machine = Guest(
        "amd64",
        kernel,
        Path("/"),
        initramfs.host_busybox(),
        command_line=row.command_line,
        stalls=True,
    )
    seconds = round(arguments.minutes * 60)
    limit = TIMES * seconds + MORE_SECONDS
    work = job(seconds, arguments.only)
    outcome = await guest.run(machine, work, results, limit_seconds=limit)
    log = results / LOG
    print(log.read_text(errors="replace") if log.exists() else "no tests ran")
    print(f"{label}: {outcome.seconds:.0f} s, all output is in {results}")
    return outcome.status == 0


def empty_folder(path: Path) -> Path:
    """Make *path* a folder without files, and return it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def job(seconds: int, only: str | None) -> str:
    """Return the script that runs the tests marked soak."""
    tests = [
        *(str(CHECKOUT / ".venv/bin/python"), "-m", "pytest", "-v", "-rP"),
        *("-p", "no:cacheprovider", "tests/kernel/permission", "-m", "soak"),
        *("--hook=permission", f"--soak-seconds={seconds}"),
        *(("-k", only) if only else ()),
    ]
    return f"""\
cd {shlex.quote(str(CHECKOUT))}
exec {shlex.join(tests)} >{RESULTS}/{LOG} 2>&1
"""


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
