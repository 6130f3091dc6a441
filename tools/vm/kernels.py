"""Debian's cloud kernels: find, download and unpack them; none is installed."""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tools.vm.apt import Mirror, PrivateApt
from tools.vm.errors import AptError


# Age after which the mirror is asked for the newest kernel again.
FRESH_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Suite:
    """
    A Debian suite that has a cloud kernel.

    Attributes:
        name: name of the suite.
        series: first two numbers of the kernel version, None for a suite that follows
            the newest kernel.
        architecture: Debian's name of the architecture.
    """

    name: str
    series: str | None
    architecture: str = "amd64"

    @property
    def pockets(self) -> tuple[str, ...]:
        """Return the names of the suites on the mirror, including security updates."""
        if self.name.endswith("-backports"):
            return (self.name,)
        return (self.name, f"{self.name}-security")


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: its release, its image, and the folder of its modules."""

    release: str
    image: Path
    modules: Path

    @property
    def series(self) -> str:
        """Return the first two numbers of the version, such as `6.12`."""
        return ".".join(self.release.split(".")[:2])


def newest_kernel(suite: Suite, cache: Path, mirror: Mirror) -> Kernel:
    """
    Return the newest cloud kernel of *suite*.

    The answer of the mirror is valid for a day. After that, an unreachable mirror or a
    removed suite is an error, even if an older kernel is in *cache*.

    Raises:
        AptError: apt failed; the message is apt's error.
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
    Return the kernel release and the packages that contain its files.

    Up to Linux 6.12 the package is linux-image. Linux 7.x has linux-base, linux-binary
    and linux-modules too.
    """
    pattern = re.compile(r"linux-(?:image|base|binary|modules)-(\d.*)")
    named = {name: found[1] for name in dependencies if (found := pattern.match(name))}
    if not named:
        raise AptError("the suite has no cloud kernel")
    return next(iter(named.values())), sorted(named)


def find_kernel(folder: Path, release: str) -> Kernel:
    """Return the kernel *release* in *folder*, which may have the old or new layout."""
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
        raise AptError(f"the packages of {release} have no kernel image or no modules")
    return Kernel(release, images[0], modules[0])


def _remove_older(folder: Path) -> None:
    """Remove all unpacked kernels."""
    for path in folder.iterdir():
        if path.name != "apt":
            shutil.rmtree(path)
