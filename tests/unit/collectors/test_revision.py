"""The commit in build_info: that of a real checkout, or "unknown"."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fanotify_exporter.collectors.revision import CHECKOUT, read_revision


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository of one commit."""
    if not shutil.which("git"):
        pytest.skip("no git")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    return tmp_path


def test_commit_of_a_checkout(checkout: Path) -> None:
    """The revision of a checkout is the commit of HEAD."""
    (head,) = (checkout / ".git" / "refs" / "heads").iterdir()
    assert head.read_text().strip() == read_revision(checkout)


def test_checkout_of_the_exporter() -> None:
    """The default folder is the checkout that has the package in exporter/."""
    assert (CHECKOUT / "exporter/fanotify_exporter/cli.py").is_file()


def test_installed_away_from_a_checkout(tmp_path: Path) -> None:
    """A package outside of a checkout has no revision."""
    assert "unknown" == read_revision(tmp_path)


def test_checkout_that_git_cannot_read(checkout: Path) -> None:
    """With a broken repository the revision is unknown, and the exporter starts."""
    (checkout / ".git" / "HEAD").unlink()
    assert "unknown" == read_revision(checkout)


def test_no_git(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git the revision is unknown, and the exporter starts."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "unknown" == read_revision(checkout)
