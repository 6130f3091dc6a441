"""
Write the list of the image's Python packages in the format CycloneDX.

The list has the exporter and the packages that requirements.lock pins, which are the
same for each Python version and architecture. bcc is not in the list, because bcc is a
package of the distribution.
"""

from __future__ import annotations

import json
import sys
import tempfile
import venv
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.harness.lock import LOCK
from tools.release.build import run
from tools.release.errors import ReleaseError


def write_sbom(wheel: Path, path: Path) -> None:
    """Install the locked packages and *wheel*; list all of them in *path*."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder)
        python = f"{folder}/bin/python"
        pip = (sys.executable, "-m", "pip", "--python", python, "install")
        locked = ("--only-binary=:all:", "--require-hashes", f"--requirement={LOCK}")
        run(*pip, *locked)
        run(*pip, "--no-deps", str(wheel))
        describe(python, path)
    document = json.loads(path.read_text())
    document["metadata"]["component"]["version"] = __version__
    path.write_text(json.dumps(document, indent=2) + "\n")
    if error := invalid(path.read_text()):
        raise ReleaseError(f"{path.name} is not valid CycloneDX: {error}")


def describe(python: str, path: Path) -> None:
    """Write the list of the packages in the environment of *python* to *path*."""
    pyproject = f"--pyproject={CHECKOUT / 'pyproject.toml'}"
    run(
        *(sys.executable, "-m", "cyclonedx_py", "environment", pyproject),
        *("--spec-version=1.6", "--output-reproducible", f"--output-file={path}"),
        python,
    )


def invalid(text: str) -> str:
    """Return the first violation of the CycloneDX schema in *text*, "" if valid."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return str(error.data.message) if error else ""
