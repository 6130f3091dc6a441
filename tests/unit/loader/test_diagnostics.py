"""Texts that tell a user why no program could be loaded."""

from __future__ import annotations

import os

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.diagnostics import (
    captured_stderr,
    explain_failure,
    reasons_by_hook,
    summarize_errors,
)
from fanotify_exporter.loader.methods import AttachMethod


METHODS = {method.name: method for method in ATTACH_METHODS}

# Shortened output of libbpf and the verifier for a program that the kernel refuses.
REFUSED = """\
bpf: Failed to load program: Permission denied
; return count_call(FANOTIFY_INIT);
0: (79) r3 = *(u64 *)(r1 +0)
invalid bpf_context access off=0 size=8
processed 1 insns (limit 1000000) max_states_per_insn 0

HINT: The invalid mem access happens because the program reads a pointer.
"""


def failures(**reasons: str) -> list[tuple[AttachMethod, LoadError]]:
    return [
        (METHODS[name], LoadError(why, f"advice {name}"))
        for name, why in reasons.items()
    ]


def test_reasons_have_the_words_of_the_flag() -> None:
    """A hook has each distinct reason of its methods once, in the order of trial."""
    assert {
        "fentry": "no BTF, also: not found",
        "kprobe": "no kprobes",
    } == reasons_by_hook(
        failures(
            fexit="no BTF",
            fexit_read="no BTF",
            fexit_wrappers="not found",
            kretprobe="no kprobes",
        )
    )


def test_failure_names_hooks_and_numbers_of_ways() -> None:
    """The error has the hooks with their reasons, and the advice of the last method."""
    error = explain_failure(
        failures(
            fexit="not permitted",
            fexit_read="not permitted",
            fexit_wrappers="not permitted",
            kretprobe="no kprobes",
        )
    )
    assert (
        "cannot attach to fanotify_mark: fentry (3 ways tried): not permitted; "
        "kprobe: no kprobes. advice kretprobe"
    ) == str(error)


def test_summary_of_a_refusal() -> None:
    """The summary has the error, the verifier's verdict and bcc's hint, on one line."""
    assert (
        "Failed to load program: Permission denied, "
        "invalid bpf_context access off=0 size=8, "
        "The invalid mem access happens because the program reads a pointer"
    ) == summarize_errors(REFUSED)


def test_summary_names_the_source_file() -> None:
    """The summary of clang's output has the file and the line of the error."""
    error = "bpf/calls/count.bpf.c:2:58: error: unknown type name 'u65'"
    assert error == summarize_errors(f"In file included\n{error}\n1 error generated.\n")


def test_summary_without_an_error() -> None:
    """Without a line that looks like an error, the summary is the first line."""
    assert "out of luck" == summarize_errors("\nout of luck\nmore\n")
    assert "" == summarize_errors("\n")


def test_stderr_of_c_code_is_captured() -> None:
    """The captured output is summarized, and stderr works as before afterwards."""
    before = os.fstat(2)
    with captured_stderr() as summarize:
        os.write(2, b"failed: first\nfailed: second\n")
        assert "failed: first" == summarize()
    assert os.path.samestat(before, os.fstat(2))
