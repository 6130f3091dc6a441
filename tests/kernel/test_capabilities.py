"""
What loading takes: tried with exactly some capabilities, on each hook and kernel.

docs/security.md has the table, which is NEEDED.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from exporter.handover import Loaded
from exporter.sources import bpf_folder
from tests.e2e.privileges import NOBODY, WITH_TRACEFS, WITHOUT_TRACEFS


LOAD = """\
import os, sys
from exporter.errors import LoadError
from exporter.hooks import LADDER
from exporter.probes import load
try:
    load([rung for rung in LADDER if rung.name == sys.argv[1]], 8192, container=False)
except LoadError as error:
    print("refused:", error.why)
else:
    print("loaded")
sys.stdout.flush()
os._exit(0)
"""
"""What the loader child does; it needs no library but bcc."""

BASE = frozenset({"bpf", "perfmon"})
NEEDED = {
    "fentry": BASE,
    "kprobe": BASE,
    # Of nobody; tracefs is root's folder, mode 0700.
    "tracepoint": BASE | {"dac_read_search"},
    "raw_tracepoint": BASE,
}
KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))
COUNTS_LOCKED = KERNEL < (5, 11)
"""Whether the memory of maps counts as locked memory."""
UNLIMITED = ("prlimit", "--memlock=unlimited") if COUNTS_LOCKED else ()


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """Put the loader where every user may read it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(Path(bpf_folder().parent, "exporter"), folder / "exporter")
        shutil.copytree(bpf_folder(), folder / "bpf")
        yield folder


@pytest.fixture
def hook(shared_probes: Loaded) -> str:
    """Give the hook, if root can load by the rung at all."""
    return shared_probes.hook


def load(
    package: Path,
    rung: str,
    capabilities: Sequence[str],
    *,
    user: Sequence[str] = NOBODY,
    prefix: Sequence[str] = (*UNLIMITED, *WITH_TRACEFS),
) -> str:
    """Load by *rung* as *user* with only *capabilities*; return what came of it."""
    only = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    who = user or ("setpriv",)
    limits = [f"--{kind}-caps={only}" for kind in ("inh", "ambient")]
    command = [*prefix, *who, *limits, f"--bounding-set={only}"]
    command += [sys.executable, "-c", LOAD, rung]
    said = subprocess.check_output(
        command, cwd=package, text=True, stderr=subprocess.STDOUT
    ).strip()
    print(KERNEL, rung, user[1:2], *sorted(capabilities), "->", said[:300])
    return said.partition(":")[0].split("\n")[-1]


def test_enough(rung: str, hook: str, package: Path) -> None:
    """Nobody loads with these capabilities and no others."""
    assert "loaded" == load(package, rung, sorted(NEEDED[hook]))


def test_each_is_needed(rung: str, hook: str, package: Path) -> None:
    """Without any one of them the kernel refuses."""
    for name in sorted(NEEDED[hook]):
        less = sorted(NEEDED[hook] - {name})
        assert "refused" == load(package, rung, less), f"without {name}"


def test_root_needs_two(rung: str, hook: str, package: Path) -> None:
    """Root, to whom tracefs belongs, loads with two on every hook."""
    assert hook in NEEDED
    assert "loaded" == load(package, rung, sorted(BASE), user=())


def test_sys_admin_stands_for_both(rung: str, hook: str, package: Path) -> None:
    """CAP_SYS_ADMIN is as good as CAP_BPF and CAP_PERFMON, and is much more."""
    both = sorted(NEEDED[hook] - BASE | {"sys_admin"})
    assert "loaded" == load(package, rung, both)


def test_mounting_tracefs(rung: str, hook: str, package: Path) -> None:
    """On a host without tracefs the tracepoint hook takes CAP_SYS_ADMIN too."""
    if hook != "tracepoint":
        pytest.skip("only tracepoints are listed in tracefs")
    prefix = (*UNLIMITED, *WITHOUT_TRACEFS)
    needed = sorted(NEEDED[hook])
    assert "refused" == load(package, rung, needed, prefix=prefix)
    assert "loaded" == load(package, rung, [*needed, "sys_admin"], prefix=prefix)


@pytest.mark.skipif(not COUNTS_LOCKED, reason="maps are not locked memory since 5.11")
def test_locked_memory(rung: str, hook: str, package: Path) -> None:
    """Before 5.11 it takes a limit on locked memory that fits, or CAP_SYS_RESOURCE."""
    prefix = ("prlimit", "--memlock=65536:65536", *WITH_TRACEFS)
    needed = sorted(NEEDED[hook])
    assert "refused" == load(package, rung, needed, prefix=prefix)
    assert "loaded" == load(package, rung, [*needed, "sys_resource"], prefix=prefix)
