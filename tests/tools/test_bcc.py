"""Verdicts of tools.bcc: exact, refused by the kernel, or failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.bcc.report import (
    Attempt,
    Outcome,
    Report,
    Result,
    compare,
    exit_status,
    judge_refusal,
    table,
)


# Start of the loader's error for a method that was refused.
ERROR = "cannot attach to fanotify_mark: fentry: "
EXACT = Attempt("tracepoint", "sys_exit", Outcome.EXACT, "7 of 7", 0.5)
REFUSED = Attempt("fentry", "fexit", Outcome.REFUSED, "load: Not permitted")
FAILED = Attempt("fentry", "fexit", Outcome.FAILED, "killed")


def suite(name: str, *attempts: Attempt) -> Result:
    return Result(name, Report("0.1", "2", "3.4", attempts))


def not_run(name: str) -> Result:
    return Result(name, problem="no such suite", ran=False)


@pytest.mark.parametrize(
    ("why", "outcome", "detail"),
    [
        (f"{ERROR}load: Not permitted", Outcome.REFUSED, "load: Not permitted"),
        (f"{ERROR}a.c:3:14: error: no type", Outcome.FAILED, None),
        (f"{ERROR}Failed to compile BPF module", Outcome.FAILED, None),
        ("the process was killed by SIGABRT", Outcome.FAILED, None),
        (f"{ERROR}the process was killed by SIGABRT", Outcome.FAILED, None),
        (f"{ERROR}loading took more than 30 s", Outcome.FAILED, None),
        ("cannot attach to fanotify_mark: kretprobe: no", Outcome.FAILED, None),
    ],
)
def test_only_the_kernel_refuses(
    why: str, outcome: Outcome, detail: str | None
) -> None:
    """An error of the compiler and the death of the loader are failures, in full."""
    attempt = judge_refusal("fentry", "fexit", why)
    assert (outcome, detail or why) == (attempt.outcome, attempt.detail)


def test_auto_is_never_refused() -> None:
    """A suite fails if no method attaches."""
    assert judge_refusal("auto", "auto", f"{ERROR}no").outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "other",
    [
        replace(REFUSED, outcome=Outcome.EXACT),
        replace(REFUSED, detail="x is not found"),
    ],
)
def test_refused_here_but_not_there_is_a_failure(other: Attempt) -> None:
    """A method that only some suites can attach is a failure in the others."""
    old, new = compare([suite("old", EXACT, REFUSED), suite("new", EXACT, other)])
    assert old.has_failed
    assert new.has_failed is (other.outcome is Outcome.REFUSED)


@pytest.mark.parametrize(
    "other", [replace(REFUSED, detail="fd: Not permitted"), FAILED]
)
def test_refused_alike_is_no_failure(other: Attempt) -> None:
    """Refusals with the same errno agree, whatever their text and other failures."""
    results = [suite("old", EXACT, REFUSED), suite("new", EXACT, other)]
    assert results == compare(results)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([suite("a", EXACT, REFUSED), suite("b", EXACT)], 0),
        ([suite("a", EXACT), suite("b", EXACT), not_run("c")], 0),
        ([suite("a", EXACT), not_run("b"), not_run("c")], 1),
        ([suite("a", EXACT), suite("b", EXACT, FAILED)], 1),
        ([suite("a", EXACT), suite("b", REFUSED)], 1),
        ([suite("a", EXACT), suite("b", EXACT), Result("c", problem="status 1")], 1),
        ([suite("a", EXACT)], 0),
        ([not_run("a")], 1),
    ],
)
def test_exit_status(results: list[Result], status: int) -> None:
    """The status is 0 if no suite failed and two ran, or the only one asked for."""
    assert status == exit_status(results)


def test_report_as_json() -> None:
    """A report is equal to itself after JSON."""
    report = Report("0.1", "2", "3.4", (EXACT, REFUSED))
    assert report == Report.from_json(report.to_json())


def test_table() -> None:
    """The table has the versions once for each suite, and suites that did not run."""
    results = [suite("old", EXACT, REFUSED), not_run("new")]
    assert (
        """\
suite  bcc  LLVM  python  hook                   loaded in s  exact?
old    0.1  2     3.4     tracepoint (sys_exit)  0.50         exact: 7 of 7
                          fentry (fexit)         -            refused: load: Not permitted
new    -    -     -       -                      -            not run: no such suite
"""  # noqa: E501
        == table(results)
    )
