"""The verdict on one run of the kernel tests, from the JUnit file of pytest."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree as ET


class Kind(Enum):
    """The four possible results of a cell of the table."""

    EXACT = "exact"
    FAILED = "FAILED"
    NOT_OFFERED = "not offered"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One cell of the table.

    Attributes:
        kind: the result.
        detail: numbers of tests, or the reason for a result without tests.
        failures: names of the failed tests.
        skipped: reasons of skipped tests, each with the number of tests.
    """

    kind: Kind
    detail: str
    failures: tuple[str, ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()

    @property
    def has_run(self) -> bool:
        """Tell whether tests ran, so that *detail* has numbers."""
        return self.kind is Kind.EXACT or bool(self.failures)

    @property
    def short(self) -> str:
        """Return the text of the cell without a reason, for docs/kernels.md."""
        return f"{self.kind.value} ({self.detail})" if self.has_run else self.kind.value

    def __str__(self) -> str:
        """Return the text of the cell, with the reason."""
        return self.short if self.has_run else f"{self.kind.value}: {self.detail}"


def not_run(reason: str) -> Verdict:
    """Return the cell of tests that did not run."""
    return Verdict(Kind.NOT_RUN, reason)


NOT_ASKED_FOR = not_run("not asked for")


def failed(reason: str) -> Verdict:
    """Return the cell of a run that ended without results."""
    return Verdict(Kind.FAILED, reason)


@dataclass(frozen=True, slots=True)
class Case:
    """A test: hook, name, whether the test failed, and the reason if skipped."""

    hook: str
    name: str
    failed: bool
    skipped: str | None

    @property
    def on_compat(self) -> bool:
        """Tell whether the test makes 32-bit calls, by its name."""
        return "compat" in self.name or "32_bit" in self.name


def parse_junit(text: str) -> list[Case]:
    """Return the tests of a JUnit file; a test that failed twice is listed once."""
    cases = dict[str, Case]()
    for element in ET.fromstring(text).iter("testcase"):
        name = f"{element.get('classname', '')}::{element.get('name', '')}"
        hook = element.find("properties/property[@name='hook']")
        broken = (
            element.find("failure") is not None or element.find("error") is not None
        )
        skipped = element.find("skipped")
        reason = None if skipped is None else skipped.get("message", "no reason given")
        known = cases.get(name, Case("", name, failed=False, skipped=None))
        cases[name] = Case(
            known.hook if hook is None else hook.get("value", ""),
            name,
            known.failed or broken,
            known.skipped or reason,
        )
    return list(cases.values())


def judge(cases: list[Case]) -> Verdict:
    """
    Return the verdict on *cases*.

    A run without any test has failed.
    """
    failures = tuple(case.name for case in cases if case.failed)
    skipped = [case for case in cases if case.skipped is not None and not case.failed]
    reasons = Counter(case.skipped or "" for case in skipped).most_common()
    if not cases:
        return failed("pytest found no tests")
    if failures:
        detail = f"{len(failures)} of {len(cases)} tests"
        return Verdict(Kind.FAILED, detail, failures, tuple(reasons))
    if len(skipped) == len(cases):
        return Verdict(Kind.NOT_OFFERED, reasons[0][0])
    return Verdict(Kind.EXACT, _count(cases, skipped), skipped=tuple(reasons))


def _count(cases: list[Case], skipped: list[Case]) -> str:
    """Return the number of tests, of compat tests and of skipped tests."""
    passed = [case for case in cases if case not in skipped]
    parts = [f"{len(passed)} test{'s' if len(passed) != 1 else ''}"]
    compat = sum(case.on_compat for case in passed)
    if compat:
        parts.append(f"{compat} of them compat")
    if skipped:
        parts.append(f"{len(skipped)} skipped")
    return ", ".join(parts)
