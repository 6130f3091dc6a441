"""The releases of Prometheus that check the rules: Debian stable's and Debian sid's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools import CHECKOUT
from tools.harness.requirements import missing, need
from tools.vm.apt import PrivateApt, machine_mirror, run_command
from tools.vm.errors import AptError


CACHE = CHECKOUT / ".cache/prometheus-sid"
SID_PACKAGES = ("prometheus", "promtool", "prometheus-alertmanager")
# In the order of the attributes of Release.
PROGRAMS = ("prometheus", "promtool", "amtool", "prometheus-alertmanager")


@dataclass(frozen=True, slots=True)
class Release:
    """Paths of the programs of one release."""

    prometheus: str
    promtool: str
    amtool: str
    alertmanager: str


def installed() -> Release:
    """Return the installed release: 2.42 on Debian bookworm."""
    return Release(*(need(program) for program in PROGRAMS))


def newest() -> Release:
    """
    Return the release of Debian sid, 3.x, or skip the test where no mirror answers.

    The packages are downloaded and unpacked once, into CACHE.
    """
    try:
        programs = unpacked(CACHE) / "usr/bin"
    except AptError as error:
        missing(f"no Prometheus 3.x from Debian sid: {error}")
    return Release(*(str(programs / name) for name in PROGRAMS))


def unpacked(cache: Path) -> Path:
    """
    Return the folder in *cache* with the unpacked packages of Debian sid.

    Raises:
        AptError: apt failed; the message has apt's reason.
    """
    folder = cache / "unpacked"
    if not folder.exists():
        architecture = run_command(["dpkg", "--print-architecture"]).strip()
        apt = PrivateApt(cache / "apt", machine_mirror(), ("sid",), architecture)
        apt.update()
        apt.unpack(SID_PACKAGES, folder)
    return folder
