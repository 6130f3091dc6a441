"""Everything that is read from /proc."""

from __future__ import annotations

import re
from pathlib import Path


def read_program_misses(fd: int, proc: Path = Path("/proc")) -> int:
    """
    Return how often the kernel skipped the BPF program behind our own *fd*.

    It skips a program that is already running on the same CPU, for a task that
    was preempted in it (recursion_misses, Linux 5.12; counted for tracepoints
    and kprobes since 6.7). Kernels without the figure give 0.
    """
    return parse_program_misses((proc / f"self/fdinfo/{fd}").read_text())


def parse_program_misses(fdinfo: str) -> int:
    """Return the recursion_misses of a bpf-prog descriptor's *fdinfo*, or 0."""
    found = re.search(r"^recursion_misses:\s*(\d+)$", fdinfo, re.MULTILINE)
    return int(found[1]) if found else 0


CAPABILITIES = {
    1: "CAP_DAC_OVERRIDE",
    2: "CAP_DAC_READ_SEARCH",
    19: "CAP_SYS_PTRACE",
    21: "CAP_SYS_ADMIN",
    24: "CAP_SYS_RESOURCE",
    38: "CAP_PERFMON",
    39: "CAP_BPF",
}
"""include/uapi/linux/capability.h: those that this exporter has a use for."""


def read_capabilities(proc: Path = Path("/proc")) -> frozenset[str]:
    """Return which of CAPABILITIES this process has in effect."""
    return parse_capabilities((proc / "self/status").read_text())


def parse_capabilities(status: str) -> frozenset[str]:
    """Return which of CAPABILITIES the CapEff of a *status* file has."""
    effective = int(re.findall(r"^CapEff:\s*(\w+)$", status, re.MULTILINE)[0], 16)
    return frozenset(name for bit, name in CAPABILITIES.items() if effective >> bit & 1)


def read_mounted(filesystem: str, proc: Path = Path("/proc")) -> list[str]:
    """Return where *filesystem* ("tracefs") is mounted, as this process sees it."""
    return parse_mounted(filesystem, (proc / "self/mounts").read_text())


def parse_mounted(filesystem: str, mounts: str) -> list[str]:
    """Return the mount points of *filesystem* in the text of a mounts file."""
    lines = (line.split() for line in mounts.splitlines())
    return [fields[1] for fields in lines if fields[2:3] == [filesystem]]
