"""``make release``: check the checkout, then write dist/."""

from __future__ import annotations

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
    """Return the exit status."""
    try:
        found = list(problems()) or build()
    except ReleaseError as error:
        found = [str(error)]
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    return 1 if found else 0


def build() -> list[str]:
    """Replace dist/, once all that goes into it is there."""
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
    return []


if __name__ == "__main__":
    sys.exit(main())
