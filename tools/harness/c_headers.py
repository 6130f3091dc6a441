"""Numbers that the installed kernel headers define."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest


def header_lines(path: str) -> list[str]:
    """Return the lines of a header below /usr/include, or skip the test."""
    header = Path("/usr/include") / path
    if not header.exists():
        pytest.skip(f"no {header} (linux-libc-dev)")
    return header.read_text().splitlines()


def defined_numbers(lines: Iterable[str]) -> dict[str, int]:
    """Return the names that C header lines define as one literal number."""
    found = (
        re.match(r"#define\s+(\w+)\s+(0[xX][0-9a-fA-F]+|\d+)\s*(?:/\*|$)", line)
        for line in lines
    )
    return {define[1]: int(define[2], 0) for define in found if define}
