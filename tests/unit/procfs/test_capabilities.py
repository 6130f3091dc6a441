"""Capabilities in effect, from status files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fanotify_exporter.procfs.capabilities import (
    CAPABILITIES,
    parse_capabilities,
    read_capabilities,
)


FIXTURES = Path(__file__).parents[1] / "fixtures"
CAPABILITY_H = Path("/usr/include/linux/capability.h")


def test_numbers_agree_with_the_header() -> None:
    """Each capability has the number of the installed kernel header."""
    if not CAPABILITY_H.exists():
        pytest.skip(f"no {CAPABILITY_H} (linux-libc-dev)")
    found = re.findall(
        r"^#define (CAP_\w+)\s+(\d+)$", CAPABILITY_H.read_text(), re.MULTILINE
    )
    defined = {int(number): name for name, number in found}
    assert CAPABILITIES.items() <= defined.items()


def test_capabilities_in_effect() -> None:
    """The effective set counts, not the permitted or the bounding set."""
    expected = {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"}
    assert expected == read_capabilities(FIXTURES / "proc")


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        ("0000000000000000", set()),
        ("000001ffffffffff", set(CAPABILITIES.values())),
        ("0000008000000000", {"CAP_BPF"}),
        ("0000000000200000", {"CAP_SYS_ADMIN"}),
    ],
)
def test_parses_capabilities(effective: str, expected: set[str]) -> None:
    """Each bit of CapEff is one capability; bits without a name are skipped."""
    assert expected == parse_capabilities(f"CapPrm:\tf\nCapEff:\t{effective}\n")
