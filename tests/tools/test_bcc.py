"""The table never calls proven what was not, nor a bcc's fault the kernel's."""

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


SAID = "cannot attach to fanotify_mark: fentry: "
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
        (f"{SAID}load: Not permitted", Outcome.REFUSED, "load: Not permitted"),
        (f"{SAID}a.c:3:14: error: no type", Outcome.FAILED, None),
        (f"{SAID}Failed to compile BPF module", Outcome.FAILED, None),
        ("the process was killed by SIGABRT", Outcome.FAILED, None),
        (f"{SAID}the process was killed by SIGABRT", Outcome.FAILED, None),
        (f"{SAID}loading took more than 30 s", Outcome.FAILED, None),
        ("cannot attach to fanotify_mark: kretprobe: no", Outcome.FAILED, None),
    ],
)
def test_only_the_kernel_refuses(
    why: str, outcome: Outcome, detail: str | None
) -> None:
    """A compiler's error and a loader that died are failures, with all they said."""
    attempt = judge_refusal("fentry", "fexit", why)
    assert (outcome, detail or why) == (attempt.outcome, attempt.detail)


def test_auto_is_never_refused() -> None:
    """If nothing at all attaches, the suite has failed."""
    assert judge_refusal("auto", "auto", f"{SAID}no").outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "other",
    [
        replace(REFUSED, outcome=Outcome.EXACT),
        replace(REFUSED, detail="x is not found"),
    ],
)
def test_refused_here_but_not_there_is_a_failure(other: Attempt) -> None:
    """One kernel gives all suites the same answer, or a bcc did not ask it."""
    old, new = compare([suite("old", EXACT, REFUSED), suite("new", EXACT, other)])
    assert old.has_failed
    assert new.has_failed is (other.outcome is Outcome.REFUSED)


@pytest.mark.parametrize(
    "other", [replace(REFUSED, detail="fd: Not permitted"), FAILED]
)
def test_refused_alike_is_no_failure(other: Attempt) -> None:
    """Words may differ if the errno is the same; a failure elsewhere proves nothing."""
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
    """Zero only if two suites ran, or the one asked for, and none failed."""
    assert status == exit_status(results)


def test_report_survives_its_way_out_of_the_chroot() -> None:
    """JSON brings back what went in."""
    report = Report("0.1", "2", "3.4", (EXACT, REFUSED))
    assert report == Report.from_json(report.to_json())


def test_table() -> None:
    """Versions stand once for each suite; what did not run says so."""
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
