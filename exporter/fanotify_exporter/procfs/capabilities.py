"""Everything that is read from /proc."""

from __future__ import annotations

import re
from pathlib import Path


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
