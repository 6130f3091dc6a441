from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.procfs.mounts import read_mounted
from tools.harness.requirements import need_root
from tools.harness.serving import SCRIPT, Exporter, serving


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    need_root()


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    """Start an exporter with default flags, on a free port of loopback."""
    with serving(tmp_path / "exporter.log") as exporter:
        yield exporter


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in a bpffs that does not exist yet; mount a bpffs if needed."""
    mounted = read_mounted("bpf")
    root = Path(mounted[0]) if mounted else tmp_path / "bpffs"
    if not mounted:
        root.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", root], check=True)
    folder = root / f"e2e-{os.getpid()}"
    yield folder
    subprocess.run([SCRIPT, "unpin", f"--bpf.pin={folder}"], check=True)
    folder.rmdir()
    if not mounted:
        subprocess.run(["umount", root], check=True)
