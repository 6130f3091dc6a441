"""The image has the documented labels, the locked packages, and little else."""

from __future__ import annotations

import json
import subprocess

import pytest

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.harness.engine import BASE, Engine
from tools.harness.lock import locked


MEGABYTE = 1_000_000
# Libraries of the compiler, which make up most of the image.
COMPILER = ("libLLVM.so.*", "libclang-cpp.so.*", "libz3.so.*")
VERSIONS = """
import json, sys
from importlib.metadata import distributions
found = (each.metadata for each in distributions(path=[sys.argv[1]]))
print(json.dumps({each["Name"].lower(): each["Version"] for each in found}))
"""


def test_labels(engine: Engine, image: str) -> None:
    """The labels have title, version, commit and licences; the program the commit."""
    labels = engine.inspect(image)["Config"]["Labels"]
    own = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in labels.items()
        if name.startswith("org.opencontainers.image.")
    }
    head = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    revision = subprocess.run(head, check=True, capture_output=True, text=True)
    assert {"title", "description", "source", "licenses", "version", "revision"} == set(
        own
    )
    assert "fanotify-exporter" == own["title"]
    assert __version__ == own["version"]
    assert revision.stdout.strip() == own["revision"]
    assert "Apache-2.0 AND GPL-2.0-only" == own["licenses"]
    printed = engine.output(image, "fanotify-exporter", "--version")
    assert f"(revision: {own['revision']})\n" in printed


def test_entry_point_and_port(engine: Engine, image: str) -> None:
    """The image has the right architecture, entry point, port and health check."""
    assert engine.architecture == engine.inspect(image)["Architecture"]
    config = engine.inspect(image)["Config"]
    assert ["fanotify-exporter"] == config["Entrypoint"]
    assert {"10301/tcp": {}} == config["ExposedPorts"]
    health = engine.inspect(image)["Healthcheck"]
    assert ["CMD", "fanotify-exporter", "healthcheck"] == health["Test"]


def test_python_packages_are_those_locked(engine: Engine, image: str) -> None:
    """The Python packages are the locked ones and the exporter."""
    folder = "/usr/local/lib/python3.13/dist-packages"
    found = json.loads(engine.output(image, "python3", "-c", VERSIONS, folder))
    names = {name.replace("_", "-"): version for name, version in found.items()}
    assert locked() | {"fanotify-exporter": __version__} == names


def test_imports(engine: Engine, image: str) -> None:
    """The exporter and bcc can be imported by the image's Python."""
    engine.output(
        image,
        "python3",
        "-c",
        "import bcc, fanotify_exporter.commands.serve, fanotify_exporter.loader.load",
    )


@pytest.mark.parametrize(
    "program", ["cc", "clang", "gcc", "ld", "pip", "pip3", "make", "hatchling"]
)
def test_no_build_tools(engine: Engine, image: str, program: str) -> None:
    """The image has no compiler and no installer."""
    which = f"! command -v {program}"
    engine.output(image, "sh", "-c", which)


def test_no_cache_files(engine: Engine, image: str) -> None:
    """The image has no files of apt, pip, Python or the linker in cache folders."""
    folders = "/var/cache /var/lib/apt/lists /var/log /root /tmp"
    assert "" == engine.output(
        image, "sh", "-c", f"find {folders} -type f ! -name .bashrc ! -name .profile"
    )


def test_size(engine: Engine, image: str) -> None:
    """Without the base image and the compiler, the image has at most 64 MB."""
    files = " ".join(f"/usr/lib/*-linux-gnu/{name}" for name in COMPILER)
    listed = engine.output(image, "sh", "-c", f"stat -L -c '%s %n' {files}")
    compiler = {name: int(size) for size, name in map(str.split, listed.splitlines())}
    whole = engine.inspect(image)["Size"]
    base = engine.inspect(BASE)["Size"]
    rest = whole - base - sum(compiler.values())
    print(f"image {whole / MEGABYTE:.0f} MB, base {base / MEGABYTE:.0f} MB")
    for name, size in compiler.items():
        print(f"{name} {size / MEGABYTE:.0f} MB")
    print(f"rest {rest / MEGABYTE:.0f} MB")
    assert len(COMPILER) == len(compiler)
    assert rest <= 64 * MEGABYTE
