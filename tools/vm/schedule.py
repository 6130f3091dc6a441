"""Run the rows of the table: fetch their kernels, then run a few guests at a time."""

import asyncio
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.harness import compiled
from tools.harness.permission.programs import LISTENER, OPENER, compile_program
from tools.vm import arm64, guest, initramfs, kernels, matrix
from tools.vm.apt import Mirror
from tools.vm.errors import HarnessError
from tools.vm.guest import Guest
from tools.vm.kernels import Kernel, Suite
from tools.vm.matrix import Result, Row


# Time of a guest beside its tests: the boot and the power-off.
BOOT_SECONDS = 60.0


class Kernels:
    """The newest kernel of each suite, fetched on first use."""

    def __init__(self, cache: Path, mirror: Mirror) -> None:
        """Prepare to fetch kernels from *mirror* into *cache*."""
        self._cache = cache
        self._mirror = mirror
        self._answers = dict[Suite, Kernel | HarnessError]()

    def newest(self, suite: Suite) -> Kernel | HarnessError:
        """Return the newest kernel of *suite*, or the error of fetching it."""
        if suite not in self._answers:
            try:
                answer: Kernel | HarnessError = kernels.newest_kernel(
                    suite, self._cache, self._mirror
                )
            except HarnessError as error:
                answer = error
            self._answers[suite] = answer
        return self._answers[suite]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Settings shared by all rows, and the means to run them."""

    checkout: Path
    cache: Path
    mirror: Mirror
    hooks: Sequence[str]
    guests_at_a_time: int = 2

    def run(self, rows: Sequence[tuple[Row, Kernel]]) -> list[Result]:
        """
        Run *rows* and return their results, in any order.

        Ctrl-C, SIGTERM and SIGHUP end all guests and raise an exception.
        """
        prepared = [(row, kernel, self._guest(row, kernel)) for row, kernel in rows]
        return asyncio.run(self._run_all(prepared))

    def results(self, row: Row) -> Path:
        """Return the folder that keeps all output of *row* until its next run."""
        return self.cache / "results" / row.label(None).replace(" ", "-")

    def _guest(self, row: Row, kernel: Kernel) -> Guest | HarnessError:
        """
        Return the guest of *row*, or an error.

        An amd64 guest has the files of this machine, an arm64 guest a root of its own.
        """
        try:
            if row.suite.architecture == "arm64":
                arm64.compile_callers(self.cache, self.mirror)
                root = arm64.root(self.cache, self.mirror)
                shares = arm64.shares(self.checkout, root)
                busybox = root / "usr/bin/busybox"
            else:
                for machine in ("x86_64", "i386"):
                    compiled.program(machine)
                for name in (LISTENER, OPENER):
                    compile_program(name, "x86_64")
                root, shares, busybox = Path("/"), (), initramfs.host_busybox()
        except HarnessError as error:
            return error
        return Guest(
            row.suite.architecture, kernel, root, busybox, shares, row.command_line
        )

    async def _run_all(
        self, rows: Sequence[tuple[Row, Kernel, Guest | HarnessError]]
    ) -> list[Result]:
        own_task = asyncio.current_task()
        assert own_task  # a coroutine runs in a task
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, own_task.cancel)
        slots = asyncio.Semaphore(self.guests_at_a_time)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._run_row(row, kernel, prepared, slots))
                for row, kernel, prepared in sorted(rows, key=_by_length)
            ]
        return [task.result() for task in tasks]

    async def _run_row(
        self,
        row: Row,
        kernel: Kernel,
        prepared: Guest | HarnessError,
        slots: asyncio.Semaphore,
    ) -> Result:
        if isinstance(prepared, HarnessError):
            return matrix.absent(row, self.hooks, str(prepared))
        async with slots:
            label = row.label(kernel)
            print(f"{label}: started", flush=True)
            try:
                result = await self._run_guest(row, prepared)
            except HarnessError as error:
                return matrix.absent(row, self.hooks, str(error))
            print(f"{label}: done in {result.seconds:.0f} s", flush=True)
            return result

    async def _run_guest(self, row: Row, prepared: Guest) -> Result:
        results = self.results(row)
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        prelude = arm64.PRELUDE if prepared.architecture == "arm64" else ""
        outcome = await guest.run(
            prepared,
            matrix.job(row, self.checkout, self.hooks, prelude),
            results,
            limit_seconds=row.test_seconds + BOOT_SECONDS,
        )
        return matrix.judge_row(row, prepared.kernel, self.hooks, outcome, results)


def _by_length(prepared: tuple[Row, Kernel, Guest | HarnessError]) -> bool:
    """Sort arm64 first: its guests take longest, and would run alone at the end."""
    return prepared[0].suite.architecture != "arm64"
