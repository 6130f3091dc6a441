"""
Build a wheel and an sdist of HEAD: `python -m tools.release.build FOLDER`.

The builds are reproducible: their bytes depend on the commit, on the version of
hatchling, which pyproject.toml pins, and on the zlib of Python.
"""

from __future__ import annotations

import argparse
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
    """Write the sdist of HEAD, and the wheel built from the sdist, to *folder*."""
    with tempfile.TemporaryDirectory() as tree:
        export(tree)
        environment = {
            **os.environ,
            "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct").strip(),
            "BUILD_REVISION": git("rev-parse", "HEAD").strip(),
        }
        build = (sys.executable, "-m", "build", "--no-isolation", *flags)
        run(*build, "--outdir", str(folder), tree, env=environment)


def export(tree: str) -> None:
    """Write the files of HEAD to the folder *tree*."""
    archive = subprocess.run(
        ["git", "-C", CHECKOUT, "archive", "HEAD"], capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """
    Run *command*.

    Raises:
        ReleaseError: *command* failed; the message has the last line of its output.
    """
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=env,
    )
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise ReleaseError(f"{Path(command[0]).name} {command[2]} failed: {last}")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of all files in *folder*, for `sha256sum --check`."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / SUMS).write_text("".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tools.release.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder to write")
    options, flags = parser.parse_known_args()
    distributions(options.folder, *flags)
