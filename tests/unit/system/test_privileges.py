"""Users and capabilities of a process that drops its privileges."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from fanotify_exporter.errors import UsageError
from fanotify_exporter.procfs.capabilities import read_capabilities
from fanotify_exporter.system.privileges import find_user


DROP = """
from fanotify_exporter.system.privileges import drop

print(sorted(drop({"CAP_SYS_PTRACE"}, None)))
print(open("/proc/self/status").read())
"""


def test_user() -> None:
    """A user is found by name."""
    assert 0 == find_user("root").pw_uid


def test_unknown_user() -> None:
    """A name without a passwd entry is bad usage, and the error names the flag."""
    with pytest.raises(
        UsageError, match=r"^--run\.user: there is no user 'no-such-user'"
    ):
        find_user("no-such-user")


def test_drop() -> None:
    """The wanted capabilities remain, as far as held before, and no other."""
    command = [sys.executable, "-c", DROP]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, *status = done.stdout.splitlines()
    is_held = "CAP_SYS_PTRACE" in read_capabilities()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert ("['CAP_SYS_PTRACE']" if is_held else "[]") == kept
    expected = f"{1 << 19 if is_held else 0:016x}"
    assert [expected] * 2 == [fields["CapEff"], fields["CapPrm"]]
    assert ["0" * 16] * 2 == [fields["CapInh"], fields["CapAmb"]]
    assert "1" == fields["NoNewPrivs"]
    if os.geteuid() == 0:
        assert re.fullmatch("0+", fields["CapBnd"])
