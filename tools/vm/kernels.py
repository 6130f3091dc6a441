"""Debian's cloud kernels: found on the mirror, unpacked, never installed."""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tools.vm.apt import Mirror, PrivateApt
from tools.vm.errors import AptError


FRESH_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Suite:
    """
    One place where Debian serves a cloud kernel.

    *series* is the kernel's version up to the second number, where Debian never
    changes it; None where it follows the newest kernel.
    """

    name: str
    series: str | None
    architecture: str = "amd64"

    @property
    def pockets(self) -> tuple[str, ...]:
        """Return the suites to ask, security updates included."""
        if self.name.endswith("-backports"):
            return (self.name,)
        return (self.name, f"{self.name}-security")


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: its image, and the folder of its modules."""

    release: str
    image: Path
    modules: Path

    @property
    def series(self) -> str:
        """Return the version up to the second number, such as `6.12`."""
        return ".".join(self.release.split(".")[:2])


def newest_kernel(suite: Suite, cache: Path, mirror: Mirror) -> Kernel:
    """
    Return the newest cloud kernel of *suite*.

    The mirror is asked once a day; an older answer never stands in for a mirror
    that no longer serves the suite. Raises `AptError` with apt's reason.
    """
    folder = cache / f"kernel-{suite.name}-{suite.architecture}"
    answer = folder / "newest"
    if answer.exists() and time.time() - answer.stat().st_mtime < FRESH_SECONDS:
        release = answer.read_text()
        return find_kernel(folder / release, release)
    answer.unlink(missing_ok=True)
    apt = PrivateApt(folder / "apt", mirror, suite.pockets, suite.architecture)
    apt.update()
    release, packages = kernel_packages(
        apt.dependencies(f"linux-image-cloud-{suite.architecture}")
    )
    if not (folder / release).exists():
        _remove_older(folder)
        apt.unpack(packages, folder / release)
    kernel = find_kernel(folder / release, release)
    answer.write_text(release)
    return kernel


def kernel_packages(dependencies: list[str]) -> tuple[str, list[str]]:
    """
    Return the release and the packages that carry its files.

    Up to 6.12 that is linux-image alone; 7.x splits it in base, binary and modules.
    """
    pattern = re.compile(r"linux-(?:image|base|binary|modules)-(\d.*)")
    named = {name: found[1] for name in dependencies if (found := pattern.match(name))}
    if not named:
        raise AptError("the suite has no cloud kernel")
    return next(iter(named.values())), sorted(named)


def find_kernel(folder: Path, release: str) -> Kernel:
    """Return the kernel *release* unpacked in *folder*, whichever its layout."""
    modules = [
        path
        for path in (folder / base / "modules" / release for base in ("usr/lib", "lib"))
        if path.is_dir()
    ]
    images = [
        path
        for path in (
            folder / f"boot/vmlinuz-{release}",
            *(m / "vmlinuz" for m in modules),
        )
        if path.is_file()
    ]
    if not (modules and images):
        raise AptError(f"no kernel image with modules among the files of {release}")
    return Kernel(release, images[0], modules[0])


def _remove_older(folder: Path) -> None:
    """Remove the kernels of earlier days."""
    for path in folder.iterdir():
        if path.name != "apt":
            shutil.rmtree(path)
