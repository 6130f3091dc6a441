"""The image of this checkout, built once, from a stand-in of its base image."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import __version__
from tests.bcc.chroot import mounts_below
from tests.e2e.requirements import need, need_root
from tests.e2e.serving import CHECKOUT
from tests.image.engine import Engine, make_base


CACHE = CHECKOUT / ".cache/image"


CLONE_NEWNS = 0x20000
MOUNTS = (
    ("--make-rprivate", "/"),
    ("-t", "tracefs", "tracefs", "/sys/kernel/tracing"),
    ("-t", "bpf", "bpf", "/sys/fs/bpf"),
)


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
def engine() -> Iterator[Engine]:
    """Give an engine that has Debian's image and no other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    base = CACHE / "base.tar"
    if not base.exists():
        make_base(base)
    folder = Path(tempfile.mkdtemp(dir=CACHE))
    engine = Engine(folder)
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
