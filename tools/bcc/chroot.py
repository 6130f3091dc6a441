"""
A Debian release in a folder: made once by mmdebstrap, entered in a namespace.

The chroot itself is never written to after it was made, and its mounts are seen
by the processes inside only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.vm.apt import Mirror, run_command
from tools.vm.errors import HarnessError


PACKAGES = ("python3", "python3-bpfcc")
SEARCH_PATH = "/mnt/checkout\n/mnt/packages\n"
"""
What the chroot's Python finds besides its own: the exporter, and what pip got for it.

In a .pth file, because the loader runs its child isolated (-I): no PYTHONPATH.
"""
PTH = "usr/lib/python3/dist-packages/exporter.pth"
RECIPE = "recipe"
ENTER = Path(__file__).with_name("enter.sh")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
MAKE_SECONDS = 900
APT_SETTINGS = (
    *("Acquire::http", "Acquire::Retries", "Acquire::Force"),
    "Acquire::Check",
)
"""Settings of the machine's apt: how it reaches the mirror, and how old that may be."""


@dataclass(frozen=True, slots=True)
class Chroot:
    """A finished chroot."""

    root: Path

    def run(
        self, command: Sequence[str], checkout: Path, *, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """
        Run *command* inside, as root, with *checkout* on Python's path.

        Raises:
            subprocess.TimeoutExpired: it took longer than *timeout*; it is gone.
        """
        packages = sysconfig.get_path("purelib")
        return subprocess.run(
            [  # each of these becomes the next one, so the timeout kills the last
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", str(ENTER), str(self.root), str(checkout), packages),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=timeout,
            check=False,
        )


def make(suite: str, cache: Path, mirror: Mirror, *, fresh: bool = False) -> Chroot:
    """
    Return the chroot of *suite* in *cache*; make it if it is not there, or *fresh*.

    Raises:
        HarnessError: the mirror does not serve it, or it cannot be made here.
    """
    folder = cache / suite
    recipe = "\n".join((mirror.source(suite), *PACKAGES, SEARCH_PATH))
    known = folder / RECIPE
    if not fresh and known.is_file() and known.read_text() == recipe:
        return Chroot(folder)
    unfinished = cache / f"{suite}.new"
    for leftover in (folder, unfinished):
        remove(leftover)
    try:
        bootstrap(suite, unfinished, mirror)
    except HarnessError:
        remove(unfinished)
        raise
    finish(unfinished, recipe)
    return Chroot(unfinished.rename(folder))


def bootstrap(suite: str, root: Path, mirror: Mirror) -> None:
    """Unpack and configure *suite* and PACKAGES in the new folder *root*."""
    run_command(
        [
            *("setpriv", "--pdeathsig", "TERM"),
            *("timeout", "--foreground", str(MAKE_SECONDS)),
            *("mmdebstrap", "--mode=root", "--variant=essential"),
            f"--include={','.join(PACKAGES)}",
            *(f"--aptopt={setting}" for setting in machine_settings()),
            *(suite, str(root), mirror.source(suite)),
        ]
    )


def finish(root: Path, recipe: str) -> None:
    """Add to the new chroot at *root* what is not Debian's."""
    for name in ("checkout", "packages"):
        (root / "mnt" / name).mkdir()
    (root / PTH).write_text(SEARCH_PATH)
    (root / RECIPE).write_text(recipe)


def machine_settings() -> list[str]:
    """Return what a chroot's apt takes over from this machine's apt.conf."""
    dump = run_command(["apt-config", "dump"]).splitlines()
    return [line for line in dump if line.startswith(APT_SETTINGS)]


def remove(folder: Path) -> None:
    """
    Remove a chroot.

    Raises:
        HarnessError: something is mounted below it, and would be emptied as well.
    """
    if mounted := mounts_below(folder):
        raise HarnessError(f"still mounted: {', '.join(mounted)}; unmount them")
    if folder.exists():
        shutil.rmtree(folder)


def mounts_below(folder: Path) -> list[str]:
    """Return the mount points at and below *folder* that this process sees."""
    points = (
        re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    )
    inside = f"{folder}{os.sep}"
    return [point for point in points if f"{point}{os.sep}".startswith(inside)]
