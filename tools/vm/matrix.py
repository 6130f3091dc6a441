"""The rows of the table of kernels: their guests, their jobs, and their results."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.vm.guest import CONSOLE, RESULTS, Outcome
from tools.vm.kernels import Kernel, Suite
from tools.vm.verdicts import Case, Kind, Verdict, failed, judge, not_run, parse_junit


# The programs of permission waits, and the methods of their tests in the JUnit file.
PERMISSION = "permission"
PERMISSION_HOOKS = ("permission fentry", "permission kprobe")
# The iterator over groups and instances.
ITERATOR = "iterator"
HOOKS = (
    "fentry",
    "kprobe",
    "tracepoint",
    "raw_tracepoint",
    "auto",
    PERMISSION,
    ITERATOR,
)
# Exit status of timeout(1) after SIGTERM, and after SIGKILL.
TIMED_OUT = (124, 137)
JUNIT, LOG = "tests.xml", "tests.log"
NEWEST = Suite("trixie-backports", None)
NEWEST_ARM64 = Suite("trixie-backports", None, "arm64")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One guest.

    Attributes:
        suite: the Debian suite of its kernel.
        command_line: additional kernel parameters.
        refused: hooks, or elements of PERMISSION_HOOKS, that this kernel is known to
            refuse. If all tests of another hook are skipped, the row has failed.
    """

    suite: Suite
    command_line: str = ""
    refused: frozenset[str] = frozenset()

    def label(self, kernel: Kernel | None) -> str:
        """Return the name of the row in the table, such as `7.3 preempt=full`."""
        series = kernel.series if kernel else self.suite.series or self.suite.name
        architecture = "" if self.suite.architecture == "amd64" else "arm64"
        return " ".join(filter(None, (series, architecture, self.command_line)))

    @property
    def test_seconds(self) -> int:
        """
        Return the time limit of the tests.

        QEMU emulates the processor, so that tests take about ten times as long as on
        the machine, and longer for arm64.
        """
        return 6000 if self.suite.architecture == "arm64" else 3000


ROWS = (
    # bpf_task_pt_regs() exists since Linux 5.15.
    Row(Suite("bullseye", "5.10"), refused=frozenset({"kprobe"})),
    Row(Suite("bookworm", "6.1")),
    Row(Suite("trixie", "6.12")),
    Row(NEWEST),
    Row(NEWEST, "preempt=full"),
    Row(
        NEWEST,
        "lockdown=confidentiality",
        # The iterator needs the read helper.
        frozenset(
            {"kprobe", "tracepoint", "raw_tracepoint", "permission kprobe", ITERATOR}
        ),
    ),
    Row(NEWEST_ARM64),
)


@dataclass(frozen=True, slots=True)
class Result:
    """A row, and its verdict for each hook."""

    row: Row
    kernel: Kernel | None
    cells: Mapping[str, Verdict] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """Return the name of the row in the table."""
        return self.row.label(self.kernel)

    @property
    def has_failed(self) -> bool:
        """Tell whether a hook failed."""
        return any(cell.kind is Kind.FAILED for cell in self.cells.values())

    @property
    def has_run(self) -> bool:
        """Tell whether tests ran on at least one hook."""
        ran = (Kind.EXACT, Kind.FAILED)
        return any(cell.kind in ran for cell in self.cells.values())


def absent(row: Row, hooks: Sequence[str], reason: str) -> Result:
    """Return the result of a row that could not start, because of *reason*."""
    return Result(row, None, {hook: not_run(reason) for hook in hooks})


def job(row: Row, checkout: Path, hooks: Sequence[str], prelude: str = "") -> str:
    """
    Return the shell script that runs the kernel tests of *checkout* in a guest.

    One pytest process runs the tests of all *hooks*, because its start takes seconds.
    *prelude* is a part of the script that prepares the root file system.
    """
    pytest = [
        *("timeout", "--kill-after=10", str(row.test_seconds)),
        *(str(checkout / ".venv/bin/python"), "-m", "pytest", "tests/kernel", "-v"),
        *(f"--hook={hook}" for hook in hooks),
        *("-p", "no:cacheprovider", f"--junitxml={RESULTS}/{JUNIT}"),
    ]
    return f"""\
cd {shlex.quote(str(checkout))}
{prelude}
exec {shlex.join(pytest)} >{RESULTS}/{LOG} 2>&1
"""


def judge_row(
    row: Row, kernel: Kernel, hooks: Sequence[str], outcome: Outcome, results: Path
) -> Result:
    """Return the result of *row* from the files of its guest in *results*."""
    cells = judge_hooks(row, hooks, outcome, results)
    return Result(row, kernel, cells, outcome.seconds)


def judge_hooks(
    row: Row, hooks: Sequence[str], outcome: Outcome, results: Path
) -> dict[str, Verdict]:
    """Return the verdict for each of *hooks*, from its tests and the exit status."""
    junit = results / JUNIT
    if outcome.status is None or outcome.status in TIMED_OUT or not junit.exists():
        return dict.fromkeys(hooks, failed(early_end(row, outcome, results / CONSOLE)))
    cases = parse_junit(junit.read_text())
    cells = {hook: judge_hook(row, hook, cases) for hook in hooks}
    if outcome.status and all(cell.kind is not Kind.FAILED for cell in cells.values()):
        reason = f"no test failed, but the exit status of pytest is {outcome.status}"
        return dict.fromkeys(hooks, failed(reason))
    return cells


def judge_hook(row: Row, hook: str, cases: Sequence[Case]) -> Verdict:
    """
    Return the verdict for *hook* from all *cases* of a row.

    The verdict for PERMISSION is one for all of PERMISSION_HOOKS.
    """
    parts = PERMISSION_HOOKS if hook == PERMISSION else (hook,)
    own = {part: [case for case in cases if case.hook == part] for part in parts}
    verdicts = [expected(row, part, judge(own[part])) for part in parts]
    broken = [verdict for verdict in verdicts if verdict.kind is Kind.FAILED]
    if broken and not broken[0].failures:
        return broken[0]
    return judge([case for part in parts for case in own[part]])


def expected(row: Row, hook: str, verdict: Verdict) -> Verdict:
    """Return *verdict*, or a failure if the kernel refused *hook* unexpectedly."""
    if verdict.kind is Kind.NOT_OFFERED and hook not in row.refused:
        return failed(f"not offered, against expectation: {verdict.detail}")
    return verdict


def early_end(row: Row, outcome: Outcome, console: Path) -> str:
    """Return the reason for missing results, from the status and the *console*."""
    if outcome.status in TIMED_OUT:
        return f"not finished after {row.test_seconds} s"
    if outcome.status is not None:
        return f"pytest wrote no results, its exit status is {outcome.status}"
    text = console.read_text(errors="replace") if console.exists() else ""
    panic = re.search(r"Kernel panic.*", text)
    reason = panic[0] if panic else text.rstrip().rpartition("\n")[2]
    return f"the guest ended too early, after {outcome.seconds:.0f} s: {reason.strip()}"


def exit_status(results: Sequence[Result]) -> int:
    """
    Return 0 if no row failed and the oldest and newest kernels ran, otherwise 1.

    The oldest and the newest kernel of each architecture must have run. A kernel
    between these two may be missing from the mirror.
    """
    plain = [result for result in results if not result.row.command_line]
    ends = list[Result]()
    for architecture in {result.row.suite.architecture for result in results}:
        own = [r for r in plain if r.row.suite.architecture == architecture]
        ends += [own[0], own[-1]] if own else []
    ran = bool(results) and all(result.has_run for result in ends or results)
    return 0 if ran and not any(result.has_failed for result in results) else 1
