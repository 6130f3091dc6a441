"""Build hook of hatchling: write the git commit into the wheel and the sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


# The file in an sdist, and below the package in a wheel. A checkout has no such file.
FILE = "revision.txt"

# The commit, for builds in a folder without .git: a container, a `git archive`.
VARIABLE = "BUILD_REVISION"

# The whole hash of HEAD, with a suffix if a tracked file differs from HEAD.
GIT = (
    *("git", "describe", "--always", "--exclude=*", "--abbrev=40"),
    "--dirty=-modified",
)


class RevisionHook(BuildHookInterface[Any]):
    """Adds FILE to a build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file, except to an editable install: its commit will change."""
        if version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp())
        path = self._folder / FILE
        path.write_text(f"{find_revision(Path(self.root))}\n")
        package = "" if self.target_name == "sdist" else "fanotify_exporter/"
        build_data["force_include"][str(path)] = f"{package}{FILE}"

    def finalize(self, version: str, *_: object) -> None:
        """Remove the temporary file."""
        if version != "editable":
            shutil.rmtree(self._folder)


def find_revision(root: Path) -> str:
    """Return the commit of the files in *root*, or "unknown"."""
    if revision := os.environ.get(VARIABLE):
        return revision
    if (root / FILE).is_file():
        return (root / FILE).read_text().strip()
    if not (root / ".git").exists():
        return "unknown"
    try:
        git = subprocess.run(GIT, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return git.stdout.strip()
