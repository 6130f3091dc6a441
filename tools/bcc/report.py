"""What a suite's check found, what that proves, and the table of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum


NOT_THE_KERNEL = re.compile(
    r":\d+:\d+: (fatal )?error: |[Ff]ailed to compile"
    r"|was killed by |exited with status |took more than "
)
"""What clang says, what bcc says, and what the loader says of a lost child."""

HEAD = ("suite", "bcc", "LLVM", "python", "hook", "loaded in s", "exact?")
FEWEST_SUITES = 2


class Outcome(StrEnum):
    """What became of one method of the ladder."""

    EXACT = "exact"
    REFUSED = "refused"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One hook under one bcc; *seconds* is how long loading took, if it worked.

    *method* is the ladder's name for it, and where the hook is "auto" what that chose.
    """

    hook: str
    method: str
    outcome: Outcome
    detail: str
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Return the hook, and the method unless that is the same word."""
        return self.hook if self.hook == self.method else f"{self.hook} ({self.method})"

    @property
    def errno(self) -> str:
        """Return the words of the errno that ended it; nothing if it attached."""
        refused = self.outcome is Outcome.REFUSED
        return self.detail.rpartition(": ")[2] if refused else ""

    def __str__(self) -> str:
        """Return the last cell of the table."""
        return f"{self.outcome}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that the check says about one suite."""

    bcc: str
    llvm: str
    python: str
    attempts: tuple[Attempt, ...]

    def to_json(self) -> str:
        """Return the one line that from_json() reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that to_json() made *text* of."""
        plain = json.loads(text)
        attempts = tuple(
            Attempt(**each | {"outcome": Outcome(each["outcome"])})
            for each in plain.pop("attempts")
        )
        return cls(**plain, attempts=attempts)


@dataclass(frozen=True, slots=True)
class Result:
    """
    One suite: its report, or why there is none.

    *ran* is False where there was no chroot to run anything in.
    """

    suite: str
    report: Report | None = None
    problem: str = ""
    ran: bool = True

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Return the report's attempts; none where there is no report."""
        return self.report.attempts if self.report else ()

    @property
    def has_failed(self) -> bool:
        """Tell whether something ran that did not prove what it should."""
        outcomes = {attempt.outcome for attempt in self.attempts}
        proved = Outcome.EXACT in outcomes and Outcome.FAILED not in outcomes
        return self.ran and not proved


def judge_refusal(hook: str, method: str, why: str) -> Attempt:
    """
    Return the attempt that ended with the loader saying *why*.

    The kernel may refuse a program. A compiler may not, and a loader that died
    never got to ask.
    """
    asked, _, reason = why.rpartition(f"cannot attach to fanotify_mark: {hook}: ")
    if asked or reason == why or NOT_THE_KERNEL.search(why):
        return Attempt(hook, method, Outcome.FAILED, why)
    return Attempt(hook, method, Outcome.REFUSED, reason)


def compare(results: Sequence[Result]) -> list[Result]:
    """
    Return *results* with each refusal that is not every suite's turned to a failure.

    All suites run on one kernel, and it does not know which bcc made a program: if
    it takes a method from one suite, or refuses it with another errno, then some bcc
    did not bring to the kernel what the others did.
    """
    answers: dict[str, set[str]] = {}
    for result in results:
        for attempt in result.attempts:
            if attempt.outcome is not Outcome.FAILED:
                answers.setdefault(attempt.method, set()).add(attempt.errno)
    disputed = {method for method, each in answers.items() if len(each) > 1}
    return [_compared(result, disputed) for result in results]


def _compared(result: Result, disputed: set[str]) -> Result:
    if not result.report:
        return result
    attempts = tuple(
        replace(
            attempt,
            outcome=Outcome.FAILED,
            detail=f"not refused alike in every suite: {attempt.detail}",
        )
        if attempt.outcome is Outcome.REFUSED and attempt.method in disputed
        else attempt
        for attempt in result.attempts
    )
    return replace(result, report=replace(result.report, attempts=attempts))


def exit_status(results: Sequence[Result]) -> int:
    """Return 1 if a suite failed, or if fewer than two of several ran; else 0."""
    ran = [result for result in results if result.ran]
    too_few = len(ran) < min(FEWEST_SUITES, len(results))
    return int(too_few or any(result.has_failed for result in ran))


def table(results: Sequence[Result]) -> str:
    """Return a line for each suite and method, aligned."""
    lines = [HEAD, *(line for result in results for line in _lines(result))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD) - 1)]
    return "".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=False))
        + f"  {line[-1]}\n"
        for line in lines
    )


def _lines(result: Result) -> list[tuple[str, ...]]:
    if not result.report:
        word = Outcome.FAILED if result.ran else "not run"
        return [(result.suite, *("-",) * (len(HEAD) - 2), f"{word}: {result.problem}")]
    report = result.report
    about: tuple[str, ...] = (result.suite, report.bcc, report.llvm, report.python)
    lines: list[tuple[str, ...]] = []
    for attempt in report.attempts:
        seconds = "-" if attempt.seconds is None else f"{attempt.seconds:.2f}"
        lines.append((*about, attempt.name, seconds, str(attempt)))
        about = ("",) * len(about)
    return lines
