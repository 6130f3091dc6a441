"""Fixtures: the image of this checkout, built once, and a podman to run it with."""

from __future__ import annotations

import ctypes
import errno
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.debian.chroot import mounts_below
from tools.harness.engine import Engine, make_base, run
from tools.harness.processes import poll
from tools.harness.requirements import need, need_root


CACHE = CHECKOUT / ".cache/image"
TRACEFS = Path("/sys/kernel/tracing")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = "qemu-aarch64"

# unshare(2), linux/sched.h.
CLONE_NEWNS = 0x20000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--arm64``."""
    what = "build the image for arm64, under QEMU; use with -k test_image only"
    parser.addoption("--arm64", action="store_true", help=what)


@pytest.fixture(scope="session", autouse=True)
def _requirements() -> None:
    need_root()
    for program in ("buildah", "catatonit", "mmdebstrap", "podman", "runc"):
        need(program)


@pytest.fixture(scope="session", autouse=True)
def _mounts(_requirements: None) -> None:
    """Enter a mount namespace that has tracefs and an empty bpffs, as a host has."""
    assert 0 == ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    mount_once("tracefs", TRACEFS)
    # Every mount of a bpffs is a new and empty file system.
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)


def mount_once(kind: str, place: Path) -> None:
    """
    Mount the file system *kind* at *place*, unless a file system is mounted there.

    The kernel refuses to mount tracefs or binfmt_misc a second time at one place
    (EBUSY): each has a single instance.
    """
    if not place.is_mount():
        subprocess.run(["mount", "-t", kind, kind, place], check=True)


@pytest.fixture(scope="session")
def architecture(_mounts: None, pytestconfig: pytest.Config) -> str:
    """Return Debian's name of the image's architecture, which this machine can run."""
    if not pytestconfig.getoption("--arm64"):
        return run("dpkg", "--print-architecture").strip()
    need("arch-test")
    need(f"{QEMU}-static")
    mount_once("binfmt_misc", BINFMT)
    if not (BINFMT / QEMU).exists():
        entry = Path(f"/usr/lib/binfmt.d/{QEMU}.conf").read_text()
        (BINFMT / "register").write_text(entry.strip())
    return "arm64"


@pytest.fixture(scope="session")
def engine(architecture: str) -> Iterator[Engine]:
    """Yield an engine whose storage has the stand-in for Debian's image only."""
    CACHE.mkdir(parents=True, exist_ok=True)
    base = CACHE / f"base-{architecture}.tar"
    if not base.exists():
        make_base(base, architecture)
    storage = Path(tempfile.mkdtemp(dir=CACHE))
    # podman refuses a --runroot of more than 50 characters.
    state = Path(tempfile.mkdtemp(prefix="engine-", dir="/run"))
    engine = Engine(storage, state, architecture)
    try:
        engine.import_base(base)
        yield engine
    finally:
        for folder in (state, storage):
            assert poll(partial(is_removed, folder))


def is_removed(folder: Path) -> bool:
    """Remove *folder*; return False if the end of a container still uses it."""
    for mounted in reversed(mounts_below(folder)):
        subprocess.run(["umount", mounted], check=True)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    return not folder.exists()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Build the image, and return its name."""
    engine.build()
    return f"localhost/fanotify-exporter:{__version__}"
