"""Descriptors 0 to 2 that a parent process closed."""

from __future__ import annotations

import subprocess
import sys

import pytest


# Prints on the descriptor 9 where descriptors 0 to 2 lead, and writes to both streams.
PROGRAM = """
import os, sys
from fanotify_exporter.system.standard_streams import open_closed_streams
open_closed_streams()
print("out"); print("err", file=sys.stderr, flush=True)
files = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
os.write(9, "\\n".join(files).encode())
"""


@pytest.mark.parametrize(
    ("redirections", "closed"),
    [
        ("<&- >&- 2>&-", {0, 1, 2}),
        ("<&-", {0}),
        (">&-", {1}),
        ("2>&-", {2}),
        ("<&- 2>&-", {0, 2}),
        ("", set()),
    ],
)
def test_closed_descriptors(redirections: str, closed: set[int]) -> None:
    """Closed descriptors lead to /dev/null; open ones keep their files."""
    shell = f'exec 9>&1 </dev/zero >/dev/zero 2>/dev/zero; exec "$@" {redirections}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    files = done.stdout.splitlines()
    assert closed == {n for n, file in enumerate(files) if file == "/dev/null"}
    assert {"/dev/null", "/dev/zero"} >= set(files)
