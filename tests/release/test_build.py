"""The built files have the whole commit, and do not depend on place and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.harness.lock import locked
from tools.harness.release_clone import Clone
from tools.harness.requirements import need
from tools.release import sbom


BUILD = (sys.executable, "-m", "tools.release.build")


@pytest.fixture(scope="module")
def dist(ready: Clone) -> Path:
    """Make a release and return its folder dist/."""
    ready.run(sys.executable, "-m", "tools.release")
    return ready.folder / "dist"


@pytest.fixture(scope="module")
def document(dist: Path) -> str:
    """Return the text of the list of packages (SBOM)."""
    return (dist / f"fanotify_exporter-{__version__}.cdx.json").read_text()


def archives(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix in {".whl", ".gz"}
    }


def test_same_bytes_elsewhere_and_later(
    dist: Path, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    """Another path, clock, time zone, locale and umask give the same bytes."""
    clone = make_clone("a longer path, with blanks")
    (clone.folder / "README.md").chmod(0o600)
    subprocess.run(
        [need("faketime"), "2031-07-08 09:10:11", *BUILD, tmp_path / "built"],
        cwd=clone.folder,
        env=os.environ | {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"},
        umask=0o077,
        check=True,
    )

    assert 2 == len(archives(dist))
    assert archives(dist) == archives(tmp_path / "built")


def test_an_sdist_and_a_checkout_give_the_same_wheel(
    dist: Path, clone: Clone, tmp_path: Path
) -> None:
    """A wheel built from the files is equal to the released one, from the sdist."""
    clone.run(*BUILD, tmp_path / "built", "--wheel")

    (built,) = archives(tmp_path / "built").items()
    assert built in archives(dist).items()


def test_the_sdist_is_the_commit(dist: Path, ready: Clone) -> None:
    """The sdist has each file of the commit, byte for byte, its hash and metadata."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        packed = {
            each.name.partition("/")[2]: extracted.read()
            for each in archive
            if (extracted := archive.extractfile(each))
        }
    names = ready.git("ls-files").splitlines()
    files = {name: (ready.folder / name).read_bytes() for name in names}

    assert packed.pop("PKG-INFO")
    assert ready.git("rev-parse", "HEAD") == packed.pop("revision.txt").decode()
    assert files.keys() == packed.keys()
    assert files == packed


def test_the_wheel_has_the_commit(dist: Path, ready: Clone) -> None:
    """The wheel has the hash of the commit, which build_info and --version show."""
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        revision = archive.read("fanotify_exporter/revision.txt").decode()
    assert ready.git("rev-parse", "HEAD") == revision


def test_version_and_licences_of_the_wheel(dist: Path) -> None:
    """The wheel has the version of the package and the text of both licences."""
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        info = f"fanotify_exporter-{__version__}.dist-info"
        fields = BytesParser().parsebytes(archive.read(f"{info}/METADATA"))
        for name in ("LICENSE", "bpf/LICENSE"):
            text = (CHECKOUT / name).read_bytes()
            assert text == archive.read(f"{info}/licenses/{name}")
    assert __version__ == fields["Version"]
    assert "Apache-2.0 AND GPL-2.0-only" == fields["License-Expression"]


def test_checksums_are_of_all(dist: Path) -> None:
    """`sha256sum --check` accepts SHA256SUMS, which lists all files."""
    check = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=dist,
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    others = sorted({path.name for path in dist.iterdir()} - {"SHA256SUMS"})
    assert [f"{name}: OK" for name in others] == check.stdout.splitlines()
    assert 3 == len(others)


def test_sbom_lists_packages_of_the_image(document: str) -> None:
    """The SBOM has the exporter and each locked package, with version and licence."""
    facts = json.loads(document)
    root, parts = facts["metadata"]["component"], facts["components"]

    assert ("fanotify-exporter", __version__) == (root["name"], root["version"])
    assert locked() == {
        canonicalize_name(part["name"]): part["version"] for part in parts
    }
    assert all(part["licenses"] for part in (root, *parts))


def test_sbom_is_valid(document: str) -> None:
    """The SBOM is valid by the schema of CycloneDX; a wrong document is not."""
    assert "" == sbom.invalid(document)
    spoilt = json.loads(document) | {"components": "many"}
    assert "is not of type 'array'" in sbom.invalid(json.dumps(spoilt))
