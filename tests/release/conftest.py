from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.release.checks import git


TAG = f"v{__version__}"


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository of its own, which a test may spoil."""

    folder: Path

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return self.run("git", *who, *arguments)

    def commit(self) -> None:
        """Commit all that is there, and let the tag mean it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=one")
        self.git("tag", "--force", TAG)

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def run(self, *command: str | Path) -> str:
        """Run *command* in it, and return what it prints."""
        done = self._run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run *command* with the clone's package, not the installed one."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "exporter")},
            capture_output=True,
            text=True,
            check=False,
        )

    def refusal(self) -> str:
        """Return the one line that a release ends with."""
        done = self._run([sys.executable, "-m", "tools.release"])
        assert (1, "") == (done.returncode, done.stdout), done.stderr
        assert not (self.folder / "dist").exists()
        (line,) = done.stderr.splitlines()
        return line


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Make a repository of the files that are here now, ready to be released."""
    clone = Clone(tmp_path_factory.mktemp("release") / "ready")
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        if (CHECKOUT / name).exists():
            (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, clone.folder / name)
    changelog = clone.folder / "CHANGELOG.md"
    heading = f"## {__version__} - 2026-01-02"
    first = re.compile(r"^## .*", re.MULTILINE)
    changelog.write_text(first.sub(heading, changelog.read_text(), count=1))
    clone.git("init", "--quiet")
    clone.commit()
    return clone


@pytest.fixture
def make_clone(ready: Clone, tmp_path: Path) -> Callable[[str], Clone]:
    """Clone it, by a name."""

    def make(name: str) -> Clone:
        folder = tmp_path / name
        ready.git("clone", "--quiet", ".", os.fspath(folder))
        return Clone(folder)

    return make


@pytest.fixture
def clone(make_clone: Callable[[str], Clone]) -> Clone:
    return make_clone("clone")
