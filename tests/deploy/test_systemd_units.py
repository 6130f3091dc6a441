"""Checks of the units by systemd-analyze; `make test-systemd` starts the units."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from fanotify_exporter.errors import ExporterError, UsageError


UNITS = Path(__file__).parents[2] / "deploy/systemd"
SERVICE, SOCKET = "fanotify-exporter.service", "fanotify-exporter.socket"
INSTALLED = "/opt/fanotify-exporter/bin/"
ANALYZE = shutil.which("systemd-analyze") or ""

needs_analyze = pytest.mark.skipif(not ANALYZE, reason="no systemd-analyze here")


@pytest.fixture(params=["plain", "pins"])
def units(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with the units, which start the program of this environment."""
    text = (UNITS / SERVICE).read_text()
    assert f"ExecStart={INSTALLED}fanotify-exporter\n" in text
    here = f"{Path(sys.executable).parent}/"
    (tmp_path / SERVICE).write_text(text.replace(INSTALLED, here))
    shutil.copy(UNITS / SOCKET, tmp_path)
    if request.param == "pins":
        drop_ins = tmp_path / f"{SERVICE}.d"
        drop_ins.mkdir()
        shutil.copy(UNITS / "pins.conf", drop_ins)
    return tmp_path


def analyze(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [ANALYZE, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_restarts() -> None:
    """A failed start is repeated without limit, but not after a wrong flag."""
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / SERVICE)
    service = unit["Service"]
    assert "0" == unit["Unit"]["StartLimitIntervalSec"]
    assert ("on-failure", "15") == (service["Restart"], service["RestartSec"])
    assert str(UsageError.exit_status) == service["RestartPreventExitStatus"]
    assert ExporterError.exit_status != UsageError.exit_status


@needs_analyze
def test_verify(units: Path) -> None:
    """The units and the files that they name pass `systemd-analyze verify`."""
    check = ("verify", "--recursive-errors=yes", f"./{SERVICE}", f"./{SOCKET}")
    assert (0, "") == analyze(units, *check)


@needs_analyze
def test_security(units: Path) -> None:
    """The exposure level of the service in `systemd-analyze security` is at most 3."""
    check = ("security", "--offline=true", "--threshold=30", f"./{SERVICE}")
    status, output = analyze(units, *check)
    assert 0 == status, output
