"""The id of the cgroup of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.procfs.cgroup import parse_cgroup_path, read_cgroup_id
from fanotify_exporter.procfs.process import opened_process


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
        (b"2:cpu:/a\n1:name=systemd:/b\n0::/c d:e\n", "/c d:e"),
        (b"1:name=systemd:/b\n", ""),
        (b"", ""),
    ],
)
def test_path(text: bytes, path: str) -> None:
    """Only the line of hierarchy 0 is of cgroup v2."""
    assert path == parse_cgroup_path(text)


def test_id(tmp_path: Path) -> None:
    """The id is the inode number of the cgroup's folder, 0 if there is no folder."""
    root, proc = tmp_path / "cgroup", tmp_path / "proc"
    (root / "a/b").mkdir(parents=True)
    (proc / "23").mkdir(parents=True)
    file = proc / "23/cgroup"
    with opened_process(23, proc) as process:
        file.write_text("0::/a/b\n")
        assert (root / "a/b").stat().st_ino == read_cgroup_id(process, root)
        assert 0 == read_cgroup_id(process, None)
        file.write_text("0::/a/b/removed (deleted)\n")
        assert 0 == read_cgroup_id(process, root)
