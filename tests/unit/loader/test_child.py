"""The loader child runs from a folder that is not in sys.path."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.compile import Settings
from fanotify_exporter.loader.handover import receive
from fanotify_exporter.loader.sources import PACKAGE, find_programs


# In the place of the copy's load.py: say which package runs, and where its sources are.
LOAD = """\
import fanotify_exporter
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.sources import find_programs

def load(methods, settings):
    found = fanotify_exporter.__file__, find_programs(), settings
    names = [f"{method.name}:{','.join(method.names)}" for method in methods]
    raise LoadError(" ".join([*names, *map(str, found)]))
"""


SETTINGS = json.dumps(
    {
        "max_entries": 64,
        "max_user_entries": 32,
        "container": True,
        "syscalls": ["fanotify_mark"],
    }
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Copy the package as a wheel has it to a private folder, with LOAD as load.py."""
    copy = tmp_path / "private" / PACKAGE.name
    shutil.copytree(PACKAGE, copy)
    shutil.copytree(find_programs(), copy / "bpf/programs", dirs_exist_ok=True)
    (copy / "loader/load.py").write_text(LOAD)
    return copy


def test_child_runs_from_a_private_folder(package: Path, tmp_path: Path) -> None:
    """The child imports the package around its own file, and no other copy."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(30)
        fd = str(theirs.fileno())
        status = subprocess.call(
            [
                *(sys.executable, "-I", package / "loader/child.py"),
                *(fd, "calls", "kretprobe,sys_exit", SETTINGS),
            ],
            pass_fds=[theirs.fileno()],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PACKAGE.parent)},
        )
        error = receive(ours)
    assert 1 == status
    assert isinstance(error, LoadError)
    init, programs = package / "__init__.py", package / "bpf/programs"
    methods = "kretprobe:fanotify_mark sys_exit:fanotify_mark"
    settings = Settings(64, 32, container=True)
    assert f"{methods} {init} {programs} {settings}" == error.why
