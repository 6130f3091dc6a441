"""The commit of a real checkout, or "unknown"."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fanotify_exporter.collectors.revision import read_revision


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository of one commit with a package in it; return the package."""
    if not shutil.which("git"):
        pytest.skip("no git")
    package = tmp_path / "exporter"
    package.mkdir()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    return package


def test_commit_of_a_checkout(checkout: Path) -> None:
    """In a checkout the revision is git's own idea of HEAD."""
    (head,) = (checkout.parent / ".git" / "refs" / "heads").iterdir()
    assert head.read_text().strip() == read_revision(checkout)


def test_installed_away_from_a_checkout(tmp_path: Path) -> None:
    """A package that lies in no checkout has no revision."""
    assert "unknown" == read_revision(tmp_path / "exporter")


def test_checkout_that_git_cannot_read(checkout: Path) -> None:
    """A broken repository costs the revision, not the start."""
    (checkout.parent / ".git" / "HEAD").unlink()
    assert "unknown" == read_revision(checkout)


def test_no_git(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without git costs the revision, not the start."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "unknown" == read_revision(checkout)
