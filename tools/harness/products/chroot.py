"""
The root file system of the products in a guest, and what the products share.

Maintainer scripts have not run, so that `prepare` does what the products need of them.
Changes stay in the guest's memory.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from tools.harness.processes import poll


# The folder in the guest, mounted by tools.vm.products.
ROOT = Path("/run/products")
# Seconds after which a product is killed, so that its answers cannot be waited for.
WATCHDOG_SECONDS = 60.0
# Limit of a command that ends by itself.
COMMAND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Numbers of the answers of a listener."""

    allow: int
    deny: int


def prepare() -> None:
    """Mount the kernel's file systems in ROOT; write the files of users and ld.so."""
    for name in ("proc", "sys", "dev"):
        subprocess.run(["mount", "--rbind", f"/{name}", ROOT / name], check=True)
    for name in ("run", "tmp"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", ROOT / name], check=True)
    for name in ("passwd", "group"):
        master = ROOT / f"usr/share/base-passwd/{name}.master"
        shutil.copy(master, ROOT / "etc" / name)
    run("ldconfig")


def run(*command: str) -> str:
    """Run a command of the products' root file system, and return its output."""
    return subprocess.run(
        ["chroot", ROOT, *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=COMMAND_SECONDS,
    ).stdout


@contextmanager
def private_mount(place: Path, kind: str) -> Iterator[None]:
    """Mount an empty file system of type *kind* at *place* during the block."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", kind, kind, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@contextmanager
def watchdog(pid: int) -> Iterator[None]:
    """Kill process *pid* if the block takes longer than WATCHDOG_SECONDS."""
    timer = Timer(WATCHDOG_SECONDS, os.kill, (pid, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def await_marks(pid: int) -> None:
    """Wait until process *pid* has set a mark."""

    def has_marks() -> bool:
        for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
            with suppress(FileNotFoundError):  # the descriptor was closed
                if re.search("^fanotify .*mask:", entry.read_text(), re.MULTILINE):
                    return True
        return False

    assert poll(has_marks), "the product has set no mark"


def read(path: Path) -> bool:
    """Open and read *path*; return False if the listener denied the open."""
    try:
        with path.open("rb", buffering=0) as file:
            file.read(64)
    except PermissionError:
        return False
    return True
