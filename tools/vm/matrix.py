"""The rows of the table: which kernels, started how, and what each may refuse."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.vm.guest import CONSOLE, RESULTS, Outcome
from tools.vm.kernels import Kernel, Suite
from tools.vm.verdicts import Kind, Verdict, failed, judge, not_run, parse_junit


HOOKS = ("fentry", "kprobe", "tracepoint", "raw_tracepoint", "auto")
SECONDS = 1200
TIMED_OUT = (124, 137)  # timeout(1), where SIGTERM was enough and where not
JUNIT, LOG = "tests.xml", "tests.log"
NEWEST = Suite("trixie-backports", None)
NEWEST_ARM64 = Suite("trixie-backports", None, "arm64")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One guest.

    *refused* are the hooks that its kernel is known not to offer: any other hook
    on which all tests are skipped is a failure.
    """

    suite: Suite
    command_line: str = ""
    refused: frozenset[str] = frozenset()

    def label(self, kernel: Kernel | None) -> str:
        """Return what the table calls the row, such as `7.3 preempt=full`."""
        series = kernel.series if kernel else self.suite.series or self.suite.name
        architecture = "" if self.suite.architecture == "amd64" else "arm64"
        return " ".join(filter(None, (series, architecture, self.command_line)))


ROWS = (
    # No bpf_task_pt_regs() before 5.15.
    Row(Suite("bullseye", "5.10"), refused=frozenset({"kprobe"})),
    Row(Suite("bookworm", "6.1")),
    Row(Suite("trixie", "6.12")),
    Row(NEWEST),
    Row(NEWEST, "preempt=full"),
    Row(
        NEWEST,
        "lockdown=confidentiality",
        frozenset({"kprobe", "tracepoint", "raw_tracepoint"}),
    ),
    Row(NEWEST_ARM64),
)


@dataclass(frozen=True, slots=True)
class Result:
    """A row, and what came of it on each hook."""

    row: Row
    kernel: Kernel | None
    cells: Mapping[str, Verdict] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """Return what the table calls the row."""
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
    """Return the result of a row that could not be started."""
    return Result(row, None, {hook: not_run(reason) for hook in hooks})


def job(checkout: Path, hooks: Sequence[str], prelude: str = "") -> str:
    """
    Return the shell script that runs the kernel tests of *checkout* in a guest.

    One pytest for all *hooks*, since it takes seconds to start. *prelude* is what
    the guest's root needs before.
    """
    pytest = [
        *("timeout", "--kill-after=10", str(SECONDS)),
        *(str(checkout / ".venv/bin/python"), "-m", "pytest", "tests/kernel", "-v"),
        *(f"--hook={hook}" for hook in hooks),
        *("-p", "no:cacheprovider", f"--junitxml={RESULTS}/{JUNIT}"),
    ]
    return f"""\
cd {shlex.quote(str(checkout))}
{prelude}
exec {shlex.join(pytest)} >{RESULTS}/{LOG} 2>&1
"""


PATIENCE = SECONDS + 60.0
"""Seconds after which a guest is given up."""


def judge_row(
    row: Row, kernel: Kernel, hooks: Sequence[str], outcome: Outcome, results: Path
) -> Result:
    """Return what the guest of *row* proved, from the files in *results*."""
    cells = judge_hooks(row, hooks, outcome, results)
    return Result(row, kernel, cells, outcome.seconds)


def judge_hooks(
    row: Row, hooks: Sequence[str], outcome: Outcome, results: Path
) -> dict[str, Verdict]:
    """Return the verdict on each of *hooks*: its tests, pytest's own status."""
    junit = results / JUNIT
    if outcome.status is None or outcome.status in TIMED_OUT or not junit.exists():
        return dict.fromkeys(hooks, failed(early_end(outcome, results / CONSOLE)))
    cases = parse_junit(junit.read_text())
    cells = {
        hook: expected(row, hook, judge([case for case in cases if case.hook == hook]))
        for hook in hooks
    }
    if outcome.status and all(cell.kind is not Kind.FAILED for cell in cells.values()):
        reason = f"no test failed, yet pytest ended with status {outcome.status}"
        return dict.fromkeys(hooks, failed(reason))
    return cells


def expected(row: Row, hook: str, verdict: Verdict) -> Verdict:
    """Return *verdict*, a failure if a hook is not offered that should be."""
    if verdict.kind is Kind.NOT_OFFERED and hook not in row.refused:
        return failed(f"not offered, which nobody expected: {verdict.detail}")
    return verdict


def early_end(outcome: Outcome, console: Path) -> str:
    """Return why there is no result, as far as status and *console* tell."""
    if outcome.status in TIMED_OUT:
        return f"not done in {SECONDS} s"
    if outcome.status is not None:
        return f"pytest wrote no result and ended with status {outcome.status}"
    text = console.read_text(errors="replace") if console.exists() else ""
    panic = re.search(r"Kernel panic.*", text)
    said = panic[0] if panic else text.rstrip().rpartition("\n")[2]
    return f"the guest ended too early, after {outcome.seconds:.0f} s: {said.strip()}"


def exit_status(results: Sequence[Result]) -> int:
    """
    Return 0 if the table stands, else 1.

    Nothing may have failed, and of each architecture the oldest and the newest
    kernel have to have run; one between them may be missing from the mirror.
    """
    plain = [result for result in results if not result.row.command_line]
    ends = list[Result]()
    for architecture in {result.row.suite.architecture for result in results}:
        own = [r for r in plain if r.row.suite.architecture == architecture]
        ends += [own[0], own[-1]] if own else []
    ran = bool(results) and all(result.has_run for result in ends or results)
    return 0 if ran and not any(result.has_failed for result in results) else 1
