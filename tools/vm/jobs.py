"""A job in a guest for each of a few kernels: the shared part of several commands."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import CHECKOUT
from tools.vm import command, guest, initramfs
from tools.vm.apt import machine_mirror
from tools.vm.errors import HarnessError, UsageError
from tools.vm.guest import RESULTS, Guest
from tools.vm.kernels import Kernel, Suite
from tools.vm.schedule import Kernels
from tools.vm.shares import Share


# The output of the job, in the folder of the results.
LOG = "job.log"


@dataclass(frozen=True, slots=True)
class Job:
    """
    A shell script for guests that have the files of this machine.

    Attributes:
        name: name of the folder of the results, in the cache.
        script: the script. Its output must go to the file LOG in RESULTS.
        seconds: time limit of a guest.
        shares: more folders of this machine.
        command_line: additional kernel parameters.
        counts_instructions: the guest has one processor, and its clock counts
            instructions.
    """

    name: str
    script: str
    seconds: float
    shares: tuple[Share, ...] = ()
    command_line: str = ""
    counts_instructions: bool = False


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser for `python -m` *module* that uses the kernels of tools.vm."""
    parser = command.parser(module, description)
    kernel = "kernel series such as 6.1, or Debian suite; may be repeated"
    parser.add_argument("--kernel", action="append", metavar="SERIES", help=kernel)
    parser.set_defaults(cache=CHECKOUT / ".cache/vm")
    return parser


def select(words: Sequence[str] | None, suites: Sequence[Suite]) -> list[Suite]:
    """
    Return the *suites* that *words* name by name or series; all without words.

    Raises:
        UsageError: a word names no suite.
    """
    names = {
        suite: {word for word in (suite.name, suite.series) if word} for suite in suites
    }
    known = set[str]().union(*names.values())
    for word in words or ():
        if word not in known:
            choices = ", ".join(sorted(known))
            raise UsageError(f"--kernel {word}: no such series or suite; try {choices}")
    return [suite for suite, own in names.items() if own.intersection(words or own)]


def shell(*words: str) -> str:
    """Return a script that runs the command *words* in the checkout."""
    return (
        f"cd {shlex.quote(str(CHECKOUT))}\n"
        f"exec {shlex.join(words)} >{RESULTS}/{LOG} 2>&1\n"
    )


def pytest_command(folder: str, only: str | None) -> list[str]:
    """Return a command for the tests in *folder* that the expression *only* selects."""
    return [
        *(str(CHECKOUT / ".venv/bin/python"), "-m", "pytest", "-v"),
        *("-p", "no:cacheprovider", folder),
        *(("-k", only) if only else ()),
    ]


def run(job: Job, suites: Sequence[Suite], arguments: argparse.Namespace) -> int:
    """
    Run *job* on the kernel of each suite, print the logs, return the exit status.

    Raises:
        HarnessError: a kernel could not be fetched.
    """
    kernels = Kernels(arguments.cache, machine_mirror(arguments.mirror))
    failed = False
    for suite in suites:
        kernel = kernels.newest(suite)
        if isinstance(kernel, HarnessError):
            raise kernel
        failed |= not succeeds(job, kernel, arguments.cache / job.name / suite.name)
    return int(failed)


def succeeds(job: Job, kernel: Kernel, results: Path) -> bool:
    """Run *job* in a guest with *kernel*, print the log, return True on success."""
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    machine = Guest(
        "amd64",
        kernel,
        Path("/"),
        initramfs.host_busybox(),
        job.shares,
        job.command_line,
        processors=1 if job.counts_instructions else 2,
        counts_instructions=job.counts_instructions,
    )
    outcome = asyncio.run(
        guest.run(machine, job.script, results, limit_seconds=job.seconds)
    )
    log = results / LOG
    print(log.read_text(errors="replace") if log.exists() else "the job did not start")
    print(f"{kernel.series}: {outcome.seconds:.0f} s, all output is in {results}")
    return outcome.status == 0
