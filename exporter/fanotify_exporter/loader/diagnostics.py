"""Explain why programs could not be loaded: kernel and compiler output, and advice."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.procfs.capabilities import read_capabilities


Failures = Sequence[tuple[AttachMethod, LoadError]]

# CAP_SYS_ADMIN includes both (capabilities(7)).
_LOAD_CAPABILITIES = {"CAP_BPF", "CAP_PERFMON"}


def reasons_by_hook(failures: Failures) -> dict[str, str]:
    """Return why each hook of *failures* was refused, each distinct reason once."""
    reasons: dict[str, dict[str, None]] = defaultdict(dict)
    for method, error in failures:
        reasons[method.hook][error.why] = None
    return {hook: ", also: ".join(whys) for hook, whys in reasons.items()}


def explain_failure(failures: Failures) -> LoadError:
    """Return the error for a user who asked for the hooks of *failures*."""
    tried = [method.hook for method, _ in failures]
    whys = "; ".join(
        f"{_count_ways(hook, tried.count(hook))}: {why}"
        for hook, why in reasons_by_hook(failures).items()
    )
    method, error = failures[-1]
    return LoadError(f"cannot attach to {method.names[0]}: {whys}", error.advice)


def _count_ways(hook: str, ways: int) -> str:
    return f"{hook} ({ways} ways tried)" if ways > 1 else hook


def advise() -> str:
    """Return what an operator can do about a kernel that refuses the programs."""
    capabilities = read_capabilities()
    if "CAP_SYS_ADMIN" not in capabilities and not capabilities >= _LOAD_CAPABILITIES:
        return (
            "Run the exporter as root, or give it CAP_BPF and CAP_PERFMON (Linux 5.8)."
        )
    causes = ["kernel lockdown (/sys/kernel/security/lockdown)"]
    if "CAP_SYS_ADMIN" not in capabilities:
        causes.append("kernel.perf_event_paranoid above 2 without CAP_SYS_ADMIN")
    return (
        "Run 'fanotify-exporter check', which tries every hook. Usual causes: "
        f"{', '.join(causes)}, and a kernel without the hook."
    )


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Capture what C code writes to stderr; yield a function that summarizes it."""
    stderr = os.dup(2)
    captured = os.memfd_create("stderr")
    os.dup2(captured, 2)
    try:
        yield lambda: summarize_errors(
            Path(f"/proc/self/fd/{captured}").read_text(errors="replace")
        )
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(captured)


def summarize_errors(text: str) -> str:
    """
    Return the cause in the output of clang, libbpf or the verifier, on one line.

    The summary has the first error line, the line before "processed N insns" (the
    verifier's verdict), and bcc's first hint.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|[Ff]ailed", line)]
    verdicts = [
        line
        for line, following in pairwise(lines)
        if re.match(r"processed \d+ insns", following)
    ]
    hints = [line.removeprefix("HINT: ") for line in lines if line.startswith("HINT")]
    causes = [*errors[:1], *verdicts[:1], *hints[:1]] or lines[:1]
    return ", ".join(line.removeprefix("bpf: ").rstrip(".") for line in causes)
