"""
Chroots of Debian releases, made by mmdebstrap and entered in a mount namespace.

A finished chroot is never changed. Only the processes in the chroot see its mounts.
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


# Additional folders for the imports of the chroot's Python: the package, tools, and the
# dependencies installed by pip. In a .pth file, because `python3 -I` ignores
# PYTHONPATH.
SEARCH_PATH = "/mnt/checkout/exporter\n/mnt/checkout\n/mnt/packages\n"
PTH = "usr/lib/python3/dist-packages/exporter.pth"
RECIPE = "recipe"
ENTER = Path(__file__).with_name("enter.sh")
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}
MAKE_SECONDS = 900
# Settings of this machine's apt that a chroot needs too: proxies, certificates,
# retries, and the maximum age of package lists.
APT_SETTINGS = (
    *("Acquire::http", "Acquire::Retries", "Acquire::Force"),
    "Acquire::Check",
)


@dataclass(frozen=True, slots=True)
class Chroot:
    """A finished chroot in the folder *root*."""

    root: Path

    def run(
        self, command: Sequence[str], checkout: Path, *, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """
        Run *command* in the chroot, as root, with *checkout* mounted.

        Raises:
            subprocess.TimeoutExpired: the command was killed after *timeout* seconds.
        """
        packages = sysconfig.get_path("purelib")
        return subprocess.run(
            [  # each program executes the next one, so a timeout kills *command* itself
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


def make(
    suite: str,
    packages: Sequence[str],
    cache: Path,
    mirror: Mirror,
    *,
    fresh: bool = False,
) -> Chroot:
    """
    Return the chroot of *suite* with *packages*; make it in *cache* if missing.

    With *fresh* the chroot is made anew. An element of *packages* is a name or an apt
    pattern.

    Raises:
        HarnessError: the mirror does not serve the suite, or mmdebstrap failed.
    """
    folder = cache / suite
    recipe = "\n".join((mirror.source(suite), *packages, SEARCH_PATH))
    known = folder / RECIPE
    if not fresh and known.is_file() and known.read_text() == recipe:
        return Chroot(folder)
    unfinished = cache / f"{suite}.new"
    for leftover in (folder, unfinished):
        remove(leftover)
    try:
        bootstrap(suite, packages, unfinished, mirror)
    except HarnessError:
        remove(unfinished)
        raise
    finish(unfinished, recipe)
    return Chroot(unfinished.rename(folder))


def bootstrap(suite: str, packages: Sequence[str], root: Path, mirror: Mirror) -> None:
    """Install *suite* and *packages* in the new folder *root*."""
    run_command(
        [
            *("setpriv", "--pdeathsig", "TERM"),
            *("timeout", "--foreground", str(MAKE_SECONDS)),
            *("mmdebstrap", "--mode=root", "--variant=apt"),
            # tests/rules looks up the mirror in apt's package lists.
            "--skip=cleanup/apt/lists",
            *(f"--include={package}" for package in packages),
            *(f"--aptopt={setting}" for setting in machine_settings()),
            *(suite, str(root), mirror.source(suite)),
        ]
    )


def finish(root: Path, recipe: str) -> None:
    """Add mount points, the search path and *recipe* to the new chroot at *root*."""
    for name in ("checkout", "packages"):
        (root / "mnt" / name).mkdir()
    (root / PTH).write_text(SEARCH_PATH)
    (root / RECIPE).write_text(recipe)


def machine_settings() -> list[str]:
    """Return the lines of this machine's apt.conf that a chroot's apt needs."""
    dump = run_command(["apt-config", "dump"]).splitlines()
    return [line for line in dump if line.startswith(APT_SETTINGS)]


def remove(folder: Path) -> None:
    """
    Remove the chroot *folder*.

    Raises:
        HarnessError: a file system is mounted below *folder*; its files would be
            removed too.
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
