"""The image of this checkout, built once, from a stand-in of its base image."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.bcc.chroot import mounts_below
from tools.harness.engine import Engine, make_base, run
from tools.harness.requirements import need, need_root


CACHE = CHECKOUT / ".cache/image"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = "qemu-aarch64"

CLONE_NEWNS = 0x20000
MOUNTS = (
    ("--make-rprivate", "/"),
    ("-t", "tracefs", "tracefs", "/sys/kernel/tracing"),
    ("-t", "bpf", "bpf", "/sys/fs/bpf"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--arm64``."""
    what = "build for arm64, under QEMU; only -k test_image is for this"
    parser.addoption("--arm64", action="store_true", help=what)


@pytest.fixture(scope="session", autouse=True)
def _requirements() -> None:
    need_root()
    for program in ("buildah", "catatonit", "mmdebstrap", "podman", "runc"):
        need(program)


@pytest.fixture(scope="session", autouse=True)
def _mounts(_requirements: None) -> None:
    """Have what a host has, for us alone: tracefs, and a bpffs without pins."""
    assert 0 == ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS)
    for arguments in MOUNTS:
        subprocess.run(["mount", *arguments], check=True)


@pytest.fixture(scope="session")
def architecture(_mounts: None, pytestconfig: pytest.Config) -> str:
    """Give Debian's name of what to build for, and let this machine run it."""
    if not pytestconfig.getoption("--arm64"):
        return run("dpkg", "--print-architecture").strip()
    need("arch-test")
    need(f"{QEMU}-static")
    subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    if not (BINFMT / QEMU).exists():
        entry = Path(f"/usr/lib/binfmt.d/{QEMU}.conf").read_text()
        (BINFMT / "register").write_text(entry.strip())
    return "arm64"


@pytest.fixture(scope="session")
def engine(architecture: str) -> Iterator[Engine]:
    """Give an engine that has Debian's image and no other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    base = CACHE / f"base-{architecture}.tar"
    if not base.exists():
        make_base(base, architecture)
    folder = Path(tempfile.mkdtemp(dir=CACHE))
    engine = Engine(folder, architecture)
    try:
        engine.import_base(base)
        yield engine
    finally:
        for mounted in reversed(mounts_below(folder)):
            subprocess.run(["umount", mounted], check=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Build the image, and give its name."""
    engine.build()
    return f"localhost/fanotify-exporter:{__version__}"
