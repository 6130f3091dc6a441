"""Results of the check in each suite: their format, the verdict, and the table."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum


# Errors of clang, of bcc, and of a loader process that died: the kernel refused
# nothing.
NOT_THE_KERNEL = re.compile(
    r":\d+:\d+: (fatal )?error: |[Ff]ailed to compile"
    r"|was killed by |exited with status |took more than "
)

HEAD = ("suite", "bcc", "LLVM", "python", "hook", "loaded in s", "exact?")
FEWEST_SUITES = 2


class Outcome(StrEnum):
    """The result of one attach method."""

    EXACT = "exact"
    REFUSED = "refused"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One attach method with one version of bcc.

    Attributes:
        hook: the value of --bpf.hook.
        method: name of the attach method; for the hook "auto", the method that was
            chosen.
        outcome: whether every call was counted.
        detail: the counts, or the error.
        seconds: duration of loading, None if loading failed.
    """

    hook: str
    method: str
    outcome: Outcome
    detail: str
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Return the hook, and the method if its name differs from the hook."""
        return self.hook if self.hook == self.method else f"{self.hook} ({self.method})"

    @property
    def errno(self) -> str:
        """Return the text of the errno of a refusal, "" for another outcome."""
        refused = self.outcome is Outcome.REFUSED
        return self.detail.rpartition(": ")[2] if refused else ""

    def __str__(self) -> str:
        """Return the last cell of the table."""
        return f"{self.outcome}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all attach methods in one suite, with the versions used."""

    bcc: str
    llvm: str
    python: str
    attempts: tuple[Attempt, ...]

    def to_json(self) -> str:
        """Return the report as one line of JSON, for from_json()."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that to_json() wrote as *text*."""
        plain = json.loads(text)
        attempts = tuple(
            Attempt(**each | {"outcome": Outcome(each["outcome"])})
            for each in plain.pop("attempts")
        )
        return cls(**plain, attempts=attempts)


@dataclass(frozen=True, slots=True)
class Result:
    """
    The result of one suite.

    Attributes:
        suite: name of the suite.
        report: the report, None if there is none.
        problem: the reason for a missing report.
        ran: False if there was no chroot for the check.
    """

    suite: str
    report: Report | None = None
    problem: str = ""
    ran: bool = True

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts of the report; an empty tuple without a report."""
        return self.report.attempts if self.report else ()

    @property
    def has_failed(self) -> bool:
        """Tell whether the check ran, and an attempt failed or no attempt was exact."""
        outcomes = {attempt.outcome for attempt in self.attempts}
        proved = Outcome.EXACT in outcomes and Outcome.FAILED not in outcomes
        return self.ran and not proved


def judge_refusal(hook: str, method: str, why: str) -> Attempt:
    """
    Return the attempt that ended with the loader's error *why*.

    REFUSED means that the kernel refused the program. An error of the compiler or the
    end of the loader process is FAILED.
    """
    asked, _, reason = why.rpartition(f"cannot attach to fanotify_mark: {hook}: ")
    if asked or reason == why or NOT_THE_KERNEL.search(why):
        return Attempt(hook, method, Outcome.FAILED, why)
    return Attempt(hook, method, Outcome.REFUSED, reason)


def compare(results: Sequence[Result]) -> list[Result]:
    """
    Return *results* with refusals that differ between suites turned into failures.

    All suites run on the same kernel, so a method must be accepted in all suites or
    refused with the same errno in all suites. A difference is a fault of one bcc
    version.
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
            detail=f"not refused in the same way in every suite: {attempt.detail}",
        )
        if attempt.outcome is Outcome.REFUSED and attempt.method in disputed
        else attempt
        for attempt in result.attempts
    )
    return replace(result, report=replace(result.report, attempts=attempts))


def exit_status(results: Sequence[Result]) -> int:
    """Return 1 if a suite failed or too few suites ran, otherwise 0."""
    ran = [result for result in results if result.ran]
    too_few = len(ran) < min(FEWEST_SUITES, len(results))
    return int(too_few or any(result.has_failed for result in ran))


def table(results: Sequence[Result]) -> str:
    """Return a table with a line for each suite and attach method."""
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
