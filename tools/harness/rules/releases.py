"""The releases of Prometheus that the rules are checked with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools import CHECKOUT
from tools.harness.requirements import missing, need
from tools.vm.apt import PrivateApt, machine_mirror, run_command
from tools.vm.errors import AptError


CACHE = CHECKOUT / ".cache/prometheus-sid"
SID_PACKAGES = ("prometheus", "promtool", "prometheus-alertmanager")


@dataclass(frozen=True, slots=True)
class Release:
    """The programs of one release, by path."""

    prometheus: str
    promtool: str
    amtool: str


def installed() -> Release:
    """Return Debian's own, 2.42 on bookworm."""
    return Release(need("prometheus"), need("promtool"), need("amtool"))


def newest() -> Release:
    """Return that of Debian sid, 3.x, unpacked once into the cache, or skip."""
    try:
        programs = unpacked(CACHE) / "usr/bin"
    except AptError as error:
        missing(f"no Prometheus 3.x from Debian sid: {error}")
    return Release(
        *(str(programs / name) for name in ("prometheus", "promtool", "amtool"))
    )


def unpacked(cache: Path) -> Path:
    """Return the folder of sid's packages; raises `AptError` with apt's reason."""
    folder = cache / "unpacked"
    if not folder.exists():
        architecture = run_command(["dpkg", "--print-architecture"]).strip()
        apt = PrivateApt(cache / "apt", machine_mirror(), ("sid",), architecture)
        apt.update()
        apt.unpack(SID_PACKAGES, folder)
    return folder
