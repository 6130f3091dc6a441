"""Limits of fanotify and inotify, from files like those of /proc/sys/fs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.procfs.sysctl import read_fs_limit


def test_limit(tmp_path: Path) -> None:
    """A limit is the number in the file; a kernel without the file has no limit."""
    folder = tmp_path / "sys/fs/fanotify"
    folder.mkdir(parents=True)
    (folder / "max_user_marks").write_text("8192\n")
    assert 8192 == read_fs_limit("fanotify/max_user_marks", tmp_path)
    assert read_fs_limit("fanotify/watchdog_timeout", tmp_path) is None


def test_text_instead_of_a_limit(tmp_path: Path) -> None:
    """A file without a number is an error that shows the file and its text."""
    folder = tmp_path / "sys/fs/fanotify"
    folder.mkdir(parents=True)
    (folder / "max_user_marks").write_text("many\n")
    with pytest.raises(ValueError, match="max_user_marks holds 'many'"):
        read_fs_limit("fanotify/max_user_marks", tmp_path)
