"""Capabilities in effect, from /proc/self/status."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fanotify_exporter.procfs import PROC


# The capabilities that the exporter uses; include/uapi/linux/capability.h.
CAPABILITIES: Final = MappingProxyType(
    {
        1: "CAP_DAC_OVERRIDE",
        2: "CAP_DAC_READ_SEARCH",
        19: "CAP_SYS_PTRACE",
        21: "CAP_SYS_ADMIN",
        24: "CAP_SYS_RESOURCE",
        38: "CAP_PERFMON",
        39: "CAP_BPF",
    }
)


def read_capabilities(proc: Path = PROC) -> frozenset[str]:
    """Return the names of the CAPABILITIES that this process has in effect."""
    return parse_capabilities((proc / "self/status").read_text())


def parse_capabilities(status: str) -> frozenset[str]:
    """Return the names of the CAPABILITIES in the CapEff line of a *status* file."""
    effective = int(re.findall(r"^CapEff:\s*(\w+)$", status, re.MULTILINE)[0], 16)
    return frozenset(name for bit, name in CAPABILITIES.items() if effective >> bit & 1)
