"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD RUNG,... N 0|1``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.procfs.capabilities import read_capabilities


LOAD_CAPABILITIES = {"CAP_BPF", "CAP_PERFMON"}


def _none_works(reasons: Mapping[str, LoadError]) -> LoadError:
    """Sum up; methods with the same reason share it."""
    names: dict[str, list[str]] = {}
    for name, error in reasons.items():
        names.setdefault(error.why, []).append(name)
    whys = "; ".join(f"{', '.join(methods)}: {why}" for why, methods in names.items())
    advice = list(reasons.values())[-1].advice
    return LoadError(f"cannot attach to fanotify_mark: {whys}", advice)


def _advice() -> str:
    """Say what an operator can do about a kernel that refuses."""
    capabilities = read_capabilities()
    if not capabilities & {"CAP_SYS_ADMIN"} and not capabilities >= LOAD_CAPABILITIES:
        return "Run it as root, or give it CAP_BPF and CAP_PERFMON (Linux 5.8)."
    return (
        "Run 'fanotify-exporter check', which tries every hook. Usual causes: kernel "
        "lockdown (/sys/kernel/security/lockdown), kernel.perf_event_paranoid above 2 "
        "without CAP_SYS_ADMIN, and a kernel without the hook."
    )


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Catch what C code writes to stderr; yield a function that sums it up."""
    stderr = os.dup(2)
    caught = os.memfd_create("stderr")
    os.dup2(caught, 2)
    try:
        yield lambda: summarize_errors(
            Path(f"/proc/self/fd/{caught}").read_text(errors="replace")
        )
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(caught)


def summarize_errors(text: str) -> str:
    """Pick what tells why from clang's, libbpf's or the verifier's output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    refusals = [line for line in lines if re.search(r"error|[Ff]ailed", line)]
    verdicts = [
        line
        for line, following in pairwise(lines)
        if re.match(r"processed \d+ insns", following)
    ]
    hints = [line.removeprefix("HINT: ") for line in lines if line.startswith("HINT")]
    telling = [*refusals[:1], *verdicts[:1], *hints[:1]] or lines[:1]
    return ", ".join(line.removeprefix("bpf: ").rstrip(".") for line in telling)
