"""
Missed runs of BPF programs in fdinfo.

The fixture proc is what Linux 6.18 wrote about a loaded program, with 23 misses
put in. The fixture proc_before_5.12 lacks the lines of Linux 5.12 and later.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.procfs.fdinfo import parse_program_misses, read_program_misses


FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_misses_of_a_program() -> None:
    """The count of skipped runs is read from the descriptor's fdinfo."""
    assert 23 == read_program_misses(7, FIXTURES / "proc")


def test_misses_on_a_kernel_without_the_figure() -> None:
    """Kernels before 5.12 do not count skipped runs; the result is 0."""
    assert 0 == read_program_misses(7, FIXTURES / "proc_before_5.12")


def test_descriptor_that_is_closed() -> None:
    """A closed descriptor is an error, not 0 misses."""
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
    """Only a line of recursion_misses with a decimal number counts."""
    assert misses == parse_program_misses(fdinfo)
