"""Where the exporter must work although the machine gives it little."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.e2e import caller, privileges
from tests.e2e.caller import Calls
from tests.e2e.serving import Exporter, serving


def assert_counts(exporter: Exporter, folder: Path) -> None:
    comm = f"e2e-pr-{os.getpid()}"
    caller.make(folder, Calls(comm.encode(), 0x1, 0x20, 7, errno.EBADF))
    key = (comm, "add", "inode", "FAN_MARK_ADD", "FAN_OPEN")
    assert exporter.calls(comm, 7) == {key: 7}


@pytest.mark.parametrize(
    ("prefix", "mounted"),
    [(privileges.WITH_TRACEFS, "tracefs"), (privileges.WITHOUT_TRACEFS, "tmpfs")],
    ids=["tracefs", "no-tracefs"],
)
def test_counts_with_and_without_tracefs(
    tmp_path: Path, prefix: tuple[str, ...], mounted: str
) -> None:
    """A host without tracefs is no obstacle, and still has none while it counts."""
    with serving(tmp_path / "exporter.log", prefix=prefix) as exporter:
        assert_counts(exporter, tmp_path)
        lines = Path(f"/proc/{exporter.pid}/mounts").read_text().splitlines()
    mounts = [line.split() for line in lines]
    kinds = [kind for _, folder, kind, *_ in mounts if folder == privileges.TRACEFS]
    assert kinds[-1] == mounted


def test_two_capabilities_are_enough(tmp_path: Path) -> None:
    """With tracefs mounted, CAP_BPF and CAP_PERFMON do, as the messages advise."""
    prefix = (
        *privileges.WITH_TRACEFS,
        *privileges.capabilities(only=("bpf", "perfmon")),
    )
    with serving(tmp_path / "exporter.log", prefix=prefix) as exporter:
        assert_counts(exporter, tmp_path)
