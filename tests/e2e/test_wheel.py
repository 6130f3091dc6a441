"""The wheel is complete: installed alone, far from the checkout, it counts."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e import caller
from tests.e2e.caller import Calls
from tests.e2e.processes import environment
from tests.e2e.requirements import need
from tests.e2e.serving import CHECKOUT, serving


PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def pip(*arguments: str | Path) -> None:
    subprocess.run([*PIP, *arguments], check=True, env=environment())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", folder, CHECKOUT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel as README says, into folders of the test's own."""
    folder = tmp_path_factory.mktemp("installed")
    folders = {"PIPX_HOME": str(folder / "home"), "PIPX_BIN_DIR": str(folder / "bin")}
    readme = (CHECKOUT / "README.md").read_text()
    (flags,) = re.findall(r" pipx install (--.*) \./fanotify", readme)
    subprocess.run(
        [need("pipx"), "install", *flags.split(), wheel],
        check=True,
        env=environment(folders),
    )
    return folder


def test_the_wheel_carries_all_of_bpf_and_no_tests(wheel: Path) -> None:
    """The C file and each stand-in header are in it, byte for byte."""
    sources = [path for path in (CHECKOUT / "bpf").rglob("*") if path.is_file()]
    assert {source.suffix for source in sources} >= {".c", ".h"}
    with zipfile.ZipFile(wheel) as archive:
        for source in sources:
            name = source.relative_to(CHECKOUT).as_posix()
            assert archive.read(f"exporter/{name}") == source.read_bytes()
        folders = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"exporter"}


def test_the_wheel_carries_the_landing_page(wheel: Path) -> None:
    """Its style and its script are in it, byte for byte."""
    with zipfile.ZipFile(wheel) as archive:
        for name in ("exporter/landing.css", "exporter/landing.js"):
            assert archive.read(name) == (CHECKOUT / name).read_bytes()


def test_the_installed_wheel_counts(installed: Path, tmp_path: Path) -> None:
    """It runs from / with nothing of the checkout, and one call is one call."""
    script = installed / "bin" / "fanotify-exporter"
    comm = f"e2e-wh-{os.getpid()}"
    log = tmp_path / "exporter.log"
    with serving(log, script=script, cwd=Path("/")) as exporter:
        caller.make(tmp_path, Calls(comm.encode(), 0x4, 0x1, 1, errno.EINVAL))
        key = (comm, "invalid", "inode", "FAN_MARK_DONT_FOLLOW", "FAN_ACCESS")
        assert exporter.calls(comm, 1) == {key: 1}
        (info,) = exporter.samples("fanotify_exporter_build_info")
        assert info.labels["revision"] == "unknown"
    origin = subprocess.run(
        [
            installed / "home/venvs/fanotify-exporter/bin/python",
            "-c",
            "import exporter; print(exporter.__file__)",
        ],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(origin.stdout).is_relative_to(installed)
