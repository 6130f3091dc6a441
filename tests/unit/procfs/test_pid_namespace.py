"""The pid namespace of this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.procfs.pid_namespace import is_initial_pid_namespace


@pytest.mark.parametrize(
    ("target", "expected"), [("pid:[4026531836]", True), ("pid:[4026532210]", False)]
)
def test_namespace(target: str, tmp_path: Path, *, expected: bool) -> None:
    """The initial namespace has a fixed inode number."""
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to(target)
    assert expected == is_initial_pid_namespace(tmp_path)


def test_kernel_without_pid_namespaces(tmp_path: Path) -> None:
    """Without pid namespaces each process is in the host's."""
    assert is_initial_pid_namespace(tmp_path)
