"""Errors of clang in the BPF sources."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


# Compiles a method with a number of entries that is no number.
COMPILE = """\
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.compile import Settings, compile_method, import_bcc
from fanotify_exporter.loader.privilege import by_uid

settings = Settings("no_number", 8)
compile_method(import_bcc(), ATTACH_METHODS[-1], by_uid(""), settings)
"""


@pytest.mark.any_hook
def test_errors_name_the_part() -> None:
    """A clang error has the file and the line of the part, not of the joined text."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], stderr=subprocess.PIPE, text=True, check=False
    )
    assert 0 != done.returncode
    assert re.search(
        r"^bpf/calls/count\.bpf\.c:\d\d:\d+: error: .*'no_number'",
        done.stderr,
        re.MULTILINE,
    )
