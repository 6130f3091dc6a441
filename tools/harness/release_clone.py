"""A clone of the checkout, for tests that make a release or are refused one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fanotify_exporter import __version__


TAG = f"v{__version__}"


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone in *folder*, which a test may change."""

    folder: Path

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return self.run("git", *who, *arguments)

    def commit(self) -> None:
        """Commit all files, and move the tag of this version to the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=one")
        self.git("tag", "--force", TAG)

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def run(self, *command: str | Path) -> str:
        """Run *command* in the clone and return its output."""
        done = self._run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run *command* with the package of the clone instead of the installed one."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "exporter")},
            capture_output=True,
            text=True,
            check=False,
        )

    def refusals(self) -> list[str]:
        """Try to make a release, which must fail; return the reported problems."""
        done = self._run([sys.executable, "-m", "tools.release"])
        assert (1, "") == (done.returncode, done.stdout), done.stderr
        assert not (self.folder / "dist").exists()
        return [line.removeprefix("release: ") for line in done.stderr.splitlines()]
