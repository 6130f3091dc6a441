"""
Check that HEAD can be released, then write dist/: `python -m tools.release`.

Writes the wheel, the sdist, a list of the image's Python packages (CycloneDX) and
SHA256SUMS. A failed check prints a line with the problem and the remedy, and nothing is
written. The exit status is then 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tools import CHECKOUT
from tools.release.build import distributions, write_sums
from tools.release.checks import problems
from tools.release.errors import ReleaseError
from tools.release.sbom import write_sbom


DIST = CHECKOUT / "dist"


def main() -> int:
    """Run the checks, build, and return the exit status."""
    argparse.ArgumentParser(
        prog="python -m tools.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        found = list(problems())
        if not found:
            build()
    except ReleaseError as error:
        found = [str(error)]
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    return 1 if found else 0


def build() -> None:
    """Build all files in a temporary folder, then replace dist/ and list its files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "dist"
        distributions(folder)
        (wheel,) = folder.glob("*.whl")
        write_sbom(wheel, folder / f"{wheel.name.split('-py3')[0]}.cdx.json")
        write_sums(folder)
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(folder, DIST)
    for path in sorted(DIST.iterdir()):
        print(path.relative_to(CHECKOUT))


if __name__ == "__main__":
    sys.exit(main())
