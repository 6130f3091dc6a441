"""Missed runs of BPF programs, from /proc/self/fdinfo."""

from __future__ import annotations

import re
from pathlib import Path

from fanotify_exporter.procfs import PROC


def read_program_misses(fd: int, proc: Path = PROC) -> int:
    """
    Return how often the kernel skipped the BPF program behind descriptor *fd*.

    The kernel skips a program that is already running on the same CPU, for a task
    that was preempted while running the program (recursion_misses, Linux 5.12;
    counted for tracepoints and kprobes since 6.7). Kernels without the count give 0.
    """
    return parse_program_misses((proc / f"self/fdinfo/{fd}").read_text())


def parse_program_misses(fdinfo: str) -> int:
    """Return the recursion_misses of a bpf-prog descriptor's *fdinfo*, or 0."""
    found = re.search(r"^recursion_misses:\s*(\d+)$", fdinfo, re.MULTILINE)
    return int(found[1]) if found else 0
