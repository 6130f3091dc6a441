"""Unit, container profile and seccomp filter refuse the same system calls."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from fanotify_exporter.system.seccomp_calls import NEEDED_TO_START, NEVER_NEEDED
from tools import CHECKOUT
from tools.manifests.rules import KUBERNETES


UNIT = CHECKOUT / "deploy/systemd/fanotify-exporter.service"
ANALYZE = shutil.which("systemd-analyze")

# The loader child is started by execve(2) only.
NOT_USED = {"execveat"}


def allowed_by_profile() -> set[str]:
    profile = json.loads((KUBERNETES / "seccomp.json").read_text())
    assert "SCMP_ACT_ERRNO" == profile["defaultAction"]
    return {name for entry in profile["syscalls"] for name in entry["names"]}


def members(name: str) -> set[str]:
    """Return the system calls of a group of systemd, or the call itself."""
    if not name.startswith("@"):
        return {name}
    command = [str(ANALYZE), "syscall-filter", name]
    output = subprocess.check_output(command, text=True)
    lines = [line.strip() for line in output.splitlines()[1:]]
    return set[str]().union(
        *(members(line) for line in lines if line and not line.startswith("#"))
    )


def allowed_by_unit() -> set[str]:
    allowed: set[str] = set()
    for line in re.findall("^SystemCallFilter=(.*)", UNIT.read_text(), re.MULTILINE):
        names = set[str]().union(*map(members, line.removeprefix("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def check(allowed: set[str]) -> None:
    assert set() == NEVER_NEEDED.keys() & allowed
    assert set() == NEEDED_TO_START.keys() - NOT_USED - allowed


def test_profile() -> None:
    """The container's profile allows what the start needs, and nothing never needed."""
    check(allowed_by_profile())


@pytest.mark.skipif(not ANALYZE, reason="no systemd-analyze here")
def test_unit() -> None:
    """The unit allows what the start needs, and nothing that is never needed."""
    check(allowed_by_unit())


def test_memory() -> None:
    """The unit has the same limit of memory as the DaemonSet."""
    (limit,) = re.findall("^MemoryMax=(.*)", UNIT.read_text(), re.MULTILINE)
    assert f"memory: {limit}i\n" in (KUBERNETES / "daemonset.yml").read_text()
