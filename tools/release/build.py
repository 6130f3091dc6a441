"""
A commit into a wheel and an sdist that are the same bytes wherever they are built.

``python -m tools.release.build FOLDER`` builds HEAD. What the bytes depend on is the
commit, hatchling's version, which pyproject.toml pins for this, and the zlib of Python.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import CHECKOUT
from tools.release.checks import git
from tools.release.errors import ReleaseError


SUMS = "SHA256SUMS"


def distributions(folder: Path, *flags: str) -> None:
    """Write both of HEAD into *folder*, the wheel out of the sdist."""
    with tempfile.TemporaryDirectory() as tree:
        export(tree)
        environment = {
            **os.environ,
            "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct").strip(),
        }
        build = (sys.executable, "-m", "build", "--no-isolation", *flags)
        run(*build, "--outdir", str(folder), tree, env=environment)


def export(tree: str) -> None:
    """Write the files of HEAD, and nothing that git ignores, into *tree*."""
    archive = subprocess.run(
        ["git", "-C", CHECKOUT, "archive", "HEAD"], capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run *command*; raises `ReleaseError` with the last line of what it said."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=env,
    )
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
        raise ReleaseError(f"{Path(command[0]).name} {command[2]} failed: {last}")


def write_sums(folder: Path) -> None:
    """Write the checksums of all files in *folder*, for `sha256sum --check`."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / SUMS).write_text("".join(lines))


if __name__ == "__main__":
    distributions(Path(sys.argv[1]), *sys.argv[2:])
