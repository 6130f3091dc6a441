"""The commit in build_info: that of the build, or "unknown"."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.collectors.revision import FILE, read_revision
from tools import CHECKOUT


def test_installed_package(tmp_path: Path) -> None:
    """The build writes the commit into the package."""
    (tmp_path / "revision.txt").write_text("0123abcd\n")
    assert "0123abcd" == read_revision(tmp_path / "revision.txt")


def test_checkout() -> None:
    """A checkout has no such file: its commit changes with each git command."""
    assert CHECKOUT / "exporter/fanotify_exporter" == FILE.parent
    assert "unknown" == read_revision()
