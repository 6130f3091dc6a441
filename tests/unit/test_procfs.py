"""
Texts of /proc in, numbers out.

The fixtures are what Linux 6.18 wrote about a loaded program, with 23 misses put
in; the second one lacks the lines that came with 5.12 and later.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.procfs import (
    CAPABILITIES,
    parse_capabilities,
    parse_mounted,
    parse_program_misses,
    read_capabilities,
    read_mounted,
    read_program_misses,
)


FIXTURES = Path(__file__).parent / "fixtures"


def test_misses_of_a_program() -> None:
    """The kernel's own count of skipped runs is read from our descriptor's fdinfo."""
    assert 23 == read_program_misses(7, FIXTURES / "proc")


def test_misses_on_a_kernel_without_the_figure() -> None:
    """Kernels before 5.12 do not count skipped runs: 0."""
    assert 0 == read_program_misses(7, FIXTURES / "proc_before_5.12")


def test_descriptor_that_is_closed() -> None:
    """A descriptor that does not exist is an error, not a 0 to be trusted."""
    with pytest.raises(FileNotFoundError):
        read_program_misses(8, FIXTURES / "proc")


@pytest.mark.parametrize(
    ("fdinfo", "misses"),
    [
        ("", 0),
        ("recursion_misses:\t0\n", 0),
        ("run_cnt:\t5\nrecursion_misses:\t18446744073709551615\n", 2**64 - 1),
        ("recursion_misses:\t7", 7),
        ("not_recursion_misses:\t7\n", 0),
        ("recursion_misses:\tmany\n", 0),
        ("recursion_misses:\t-1\n", 0),
    ],
)
def test_parses_misses(fdinfo: str, misses: int) -> None:
    """The one line counts, wherever it stands; anything else is no figure."""
    assert misses == parse_program_misses(fdinfo)


CAPABILITY_H = Path("/usr/include/linux/capability.h")


def test_capability_numbers_are_the_headers() -> None:
    """Each capability has the number that this machine's header gives it."""
    if not CAPABILITY_H.exists():
        pytest.skip(f"no {CAPABILITY_H} (linux-libc-dev)")
    found = re.findall(
        r"^#define (CAP_\w+)\s+(\d+)$", CAPABILITY_H.read_text(), re.MULTILINE
    )
    defined = {int(number): name for name, number in found}
    assert CAPABILITIES.items() <= defined.items()


def test_capabilities_in_effect() -> None:
    """What counts is the effective set: not the permitted or the bounding one."""
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
    """Each bit of CapEff is one capability; those of no use are left out."""
    assert expected == parse_capabilities(f"CapPrm:\tf\nCapEff:\t{effective}\n")


def test_mount_points_of_a_filesystem() -> None:
    """Every place where it is mounted, by its type, not by its device's name."""
    expected = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
    assert expected == read_mounted("tracefs", FIXTURES / "proc")
    assert [] == read_mounted("tracefs", FIXTURES / "proc_before_5.12")


def test_parses_mounts() -> None:
    """Lines that are cut short are no mount points."""
    assert [] == parse_mounted("tracefs", "\n\ntracefs\ntracefs /a\n")
