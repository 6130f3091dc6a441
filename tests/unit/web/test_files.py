"""Contents of configuration files, and reasons why a file is refused."""

from __future__ import annotations

import os
from pathlib import Path

from fanotify_exporter.web.files import read_file


def test_unusable_files(tmp_path: Path) -> None:
    """Unless the path is a small regular file, the reason is returned at once."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"x" * 1_048_577)
    assert {
        "absent": "No such file or directory",
        "fifo": "not a regular file",
        ".": "Is a directory",
        "large": "larger than 1 MiB",
    } == {name: read_file(tmp_path / name) for name in ("absent", "fifo", ".", "large")}
    assert "not a regular file" == read_file(Path("/dev/zero"))


def test_content(tmp_path: Path) -> None:
    """A file of the maximum size is returned whole."""
    (tmp_path / "file").write_bytes(b"x" * 1_048_576)
    assert 1_048_576 == len(read_file(tmp_path / "file"))
