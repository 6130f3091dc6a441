"""
What loading takes: tried with exactly some capabilities, on each hook and kernel.

docs/security.md has the table: NEEDED, and ROOTS for root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.loader.sources import bpf_folder
from tools import CHECKOUT
from tools.harness.privileges import WITH_TRACEFS, WITHOUT_TRACEFS


LOAD = """\
import json, os, pwd, sys
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.system.privileges import drop
from fanotify_exporter.loader.load import load
import bcc

methods = [method for method in ATTACH_METHODS if method.name == sys.argv[1]]
for user, *names in json.loads(sys.argv[2]):
    if os.fork():
        os.wait()
        continue
    drop(names, pwd.getpwnam(user) if user != "root" else None)
    try:
        load(methods, 8192, container=False)
    except LoadError as error:
        print("refused", user, *names, error.why, flush=True)
    else:
        print("loaded", user, *names, flush=True)
    os._exit(0)
"""
"""What the loader child does, in one process for each set of capabilities."""

KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))
PARANOID = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())

BPF = frozenset({"CAP_BPF", "CAP_PERFMON"})
ADMIN = frozenset({"CAP_SYS_ADMIN"})
# Above 2, which Debian's kernels add and set, a perf event takes more.
PERF = ADMIN if PARANOID > 2 else BPF
ROOTS = {"fentry": BPF, "kprobe": PERF, "tracepoint": PERF, "raw_tracepoint": BPF}
# tracefs is root's, mode 0700.
NEEDED = ROOTS | {"tracepoint": PERF | {"CAP_DAC_READ_SEARCH"}}
COUNTS_LOCKED = KERNEL < (5, 11)
"""Whether the memory of maps counts as locked memory."""
UNLIMITED = ("prlimit", "--memlock=unlimited") if COUNTS_LOCKED else ()


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """Put the loader where every user may read it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(CHECKOUT / "exporter", folder / "exporter")
        shutil.copytree(bpf_folder(), folder / "bpf")
        yield folder


@pytest.fixture
def hook(shared_probes: LoadedPrograms) -> str:
    """Give the hook, if root can load by the method at all."""
    return shared_probes.hook


def load(
    package: Path,
    method: str,
    *cases: Collection[str],
    user: str = "nobody",
    prefix: Sequence[str] = (*UNLIMITED, *WITH_TRACEFS),
) -> list[str]:
    """Load by *method* as *user* with each of *cases* only; return what came of it."""
    wanted = json.dumps([[user, *sorted(each)] for each in cases])
    said = subprocess.check_output(
        [*prefix, sys.executable, "-c", LOAD, method, wanted],
        cwd=package / "exporter",
        text=True,
    )
    print(f"{KERNEL}, perf_event_paranoid {PARANOID}: {method}\n{said}")
    return [line.partition(" ")[0] for line in said.splitlines()]


def test_needed(method: str, hook: str, package: Path) -> None:
    """Another user loads with these, and without any one of them is refused."""
    needed = NEEDED[hook]
    less = [needed - {name} for name in sorted(needed)]
    refused = ["refused"] * len(less)
    assert ["loaded", *refused] == load(package, method, needed, *less)


def test_needed_for_root(method: str, hook: str, package: Path) -> None:
    """Root, to whom tracefs belongs, needs no capability to read it."""
    needed = ROOTS[hook]
    less = [needed - {name} for name in sorted(needed)]
    refused = ["refused"] * len(less)
    assert ["loaded", *refused] == load(package, method, needed, *less, user="root")


def test_sys_admin_stands_for_both(method: str, hook: str, package: Path) -> None:
    """CAP_SYS_ADMIN is as good as CAP_BPF and CAP_PERFMON, and is much more."""
    assert ["loaded"] == load(package, method, NEEDED[hook] - BPF | ADMIN)


def test_mounting_tracefs(method: str, hook: str, package: Path) -> None:
    """On a host without tracefs the tracepoint hook takes CAP_SYS_ADMIN too."""
    if hook != "tracepoint":
        pytest.skip("only tracepoints are listed in tracefs")
    cases = (BPF | {"CAP_DAC_READ_SEARCH"}, NEEDED[hook] | ADMIN)
    prefix = (*UNLIMITED, *WITHOUT_TRACEFS)
    assert ["refused", "loaded"] == load(package, method, *cases, prefix=prefix)


@pytest.mark.skipif(not COUNTS_LOCKED, reason="maps are not locked memory since 5.11")
def test_locked_memory(method: str, hook: str, package: Path) -> None:
    """Before 5.11 it takes a limit on locked memory that fits, or CAP_SYS_RESOURCE."""
    cases = (NEEDED[hook], NEEDED[hook] | {"CAP_SYS_RESOURCE"})
    prefix = ("prlimit", "--memlock=65536:65536", *WITH_TRACEFS)
    assert ["refused", "loaded"] == load(package, method, *cases, prefix=prefix)
