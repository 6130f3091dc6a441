"""The wheel is complete: installed outside the checkout, the exporter counts."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import CHECKOUT
from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.processes import environment
from tools.harness.requirements import need
from tools.harness.serving import serving


PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def git_head() -> str:
    command = ("git", "-C", CHECKOUT, "rev-parse", "HEAD")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


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
    """Install the wheel as README says, into a temporary folder."""
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
    """The wheel has every file of bpf/, unchanged, and no other package."""
    folder = CHECKOUT / "bpf"
    sources = [path for path in folder.rglob("*") if path.is_file()]
    assert {source.suffix for source in sources} >= {".c", ".h"}
    with zipfile.ZipFile(wheel) as archive:
        for source in sources:
            name = source.relative_to(folder).as_posix()
            packed = archive.read(f"fanotify_exporter/bpf/programs/{name}")
            assert packed == source.read_bytes()
        tops = {name.split("/")[0] for name in archive.namelist()}
    packages = {name for name in tops if not name.endswith(".dist-info")}
    assert packages == {"fanotify_exporter"}


def test_the_wheel_carries_the_landing_page(wheel: Path) -> None:
    """The wheel has the template, style sheet and script of the page, unchanged."""
    with zipfile.ZipFile(wheel) as archive:
        for file in ("page.css", "page.html", "page.js"):
            name = f"fanotify_exporter/landing/{file}"
            assert archive.read(name) == (CHECKOUT / "exporter" / name).read_bytes()


def test_the_installed_wheel_counts(installed: Path, tmp_path: Path) -> None:
    """Started in /, the installed exporter uses no file of the checkout and counts."""
    script = installed / "bin" / "fanotify-exporter"
    comm = f"e2e-wh-{os.getpid()}"
    log = tmp_path / "exporter.log"
    with serving(log, script=script, cwd=Path("/")) as exporter:
        caller.make(tmp_path, Calls(comm.encode(), 0x4, 0x1, 1, errno.EINVAL))
        key = (comm, "invalid", "inode", "FAN_MARK_DONT_FOLLOW", "FAN_ACCESS")
        assert exporter.calls(comm, 1) == {key: 1}
        (info,) = exporter.samples("fanotify_exporter_build_info")
        assert info.labels["revision"].removesuffix("-modified") == git_head()
    origin = subprocess.run(
        [
            installed / "home/venvs/fanotify-exporter/bin/python",
            "-c",
            "import fanotify_exporter; print(fanotify_exporter.__file__)",
        ],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(origin.stdout).is_relative_to(installed)
