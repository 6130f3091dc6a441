"""The commit that the build hook writes into a wheel or an sdist."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tools import CHECKOUT


Find = Callable[[Path], str]


@pytest.fixture(scope="module")
def find_revision() -> Find:
    """Return the function of hatch_build.py."""
    spec = spec_from_file_location("hatch_build", CHECKOUT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Find = module.find_revision
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository of one commit with the file "tracked"."""
    folder = tmp_path / "checkout"
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / "tracked").write_text("one")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    subprocess.run([*git, "tag", "-a", "v1", "-m", "one"], check=True)
    return folder


def head(checkout: Path) -> str:
    (path,) = (checkout / ".git/refs/heads").iterdir()
    return path.read_text().strip()


def test_checkout(find_revision: Find, checkout: Path) -> None:
    """The revision of a checkout is the whole hash of HEAD, also at a tag."""
    assert head(checkout) == find_revision(checkout)
    (checkout / "untracked").touch()
    assert head(checkout) == find_revision(checkout)


def test_changed_checkout(find_revision: Find, checkout: Path) -> None:
    """The revision of files that no commit has says so."""
    (checkout / "tracked").write_text("two")
    assert f"{head(checkout)}-modified" == find_revision(checkout)


def test_sdist(find_revision: Find, tmp_path: Path) -> None:
    """The revision of an sdist is that of the checkout that it was built from."""
    (tmp_path / "revision.txt").write_text("abc\n")
    assert "abc" == find_revision(tmp_path)


def test_variable(
    find_revision: Find, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build in a folder without .git gets the revision in a variable."""
    monkeypatch.setenv("BUILD_REVISION", "def")
    assert "def" == find_revision(checkout)
    monkeypatch.setenv("BUILD_REVISION", "")
    assert head(checkout) == find_revision(checkout)


def test_folder_without_revision(find_revision: Find, tmp_path: Path) -> None:
    """A folder that is no checkout has no revision."""
    assert "unknown" == find_revision(tmp_path)


def test_checkout_that_git_cannot_read(find_revision: Find, checkout: Path) -> None:
    """With a broken repository the revision is unknown, and the build goes on."""
    (checkout / ".git/HEAD").unlink()
    assert "unknown" == find_revision(checkout)


def test_no_git(
    find_revision: Find, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git the revision is unknown, and the build goes on."""
    monkeypatch.setenv("PATH", str(checkout))
    assert shutil.which("git") is None
    assert "unknown" == find_revision(checkout)
