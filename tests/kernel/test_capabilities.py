"""
Capabilities that loading needs, on each hook and kernel.

docs/security.md has the table: NEEDED for other users, NEEDED_BY_ROOT for root.
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

from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.loader.sources import find_programs
from tools import CHECKOUT
from tools.harness.privileges import WITH_TRACEFS, WITHOUT_TRACEFS


# Does the work of the loader child, in a process for each set of capabilities.
LOAD = """\
import json, os, pwd, sys
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.system.privileges import drop
from fanotify_exporter.loader.compile import Settings
from fanotify_exporter.loader.load import load
import bcc

methods = [method for method in ATTACH_METHODS if method.name == sys.argv[1]]
for user, *names in json.loads(sys.argv[2]):
    if os.fork():
        os.wait()
        continue
    drop(names, pwd.getpwnam(user) if user != "root" else None)
    try:
        load(methods, Settings(8192, 1024))
    except LoadError as error:
        print("refused", user, *names, error.why, flush=True)
    else:
        print("loaded", user, *names, flush=True)
    os._exit(0)
"""

KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))
PARANOID = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())

BPF = frozenset({"CAP_BPF", "CAP_PERFMON"})
ADMIN = frozenset({"CAP_SYS_ADMIN"})
# Debian's kernels know and set perf_event_paranoid=3, which requires CAP_SYS_ADMIN.
PERF = ADMIN if PARANOID > 2 else BPF
NEEDED_BY_ROOT = {
    "fentry": BPF,
    "kprobe": PERF,
    "tracepoint": PERF,
    "raw_tracepoint": BPF,
}
# tracefs has mode 0700 and belongs to root.
NEEDED = NEEDED_BY_ROOT | {"tracepoint": PERF | {"CAP_DAC_READ_SEARCH"}}

# Linux 5.11 accounts the memory of maps to the cgroup, and no longer as locked memory.
COUNTS_LOCKED = KERNEL < (5, 11)
UNLIMITED = ("prlimit", "--memlock=unlimited") if COUNTS_LOCKED else ()


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """Copy the loader to a folder that every user may read."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(CHECKOUT / "exporter", folder / "exporter")
        shutil.copytree(find_programs(), folder / "bpf")
        yield folder


@pytest.fixture
def hook(shared_probes: LoadedCalls) -> str:
    """Return the hook, or skip if root cannot load by the method."""
    return shared_probes.hook


def load(
    package: Path,
    method: str,
    *cases: Collection[str],
    user: str = "nobody",
    prefix: Sequence[str] = (*UNLIMITED, *WITH_TRACEFS),
) -> list[str]:
    """Load by *method* as *user* with each of *cases* only; return the outcomes."""
    wanted = json.dumps([[user, *sorted(each)] for each in cases])
    said = subprocess.check_output(
        [*prefix, sys.executable, "-c", LOAD, method, wanted],
        cwd=package / "exporter",
        text=True,
    )
    print(f"{KERNEL}, perf_event_paranoid {PARANOID}: {method}\n{said}")
    return [line.partition(" ")[0] for line in said.splitlines()]


def test_needed(method: str, hook: str, package: Path) -> None:
    """Another user can load with the capabilities, and not without any of them."""
    needed = NEEDED[hook]
    less = [needed - {name} for name in sorted(needed)]
    refused = ["refused"] * len(less)
    assert ["loaded", *refused] == load(package, method, needed, *less)


def test_needed_for_root(method: str, hook: str, package: Path) -> None:
    """Root owns tracefs and needs no capability to read tracefs."""
    needed = NEEDED_BY_ROOT[hook]
    less = [needed - {name} for name in sorted(needed)]
    refused = ["refused"] * len(less)
    assert ["loaded", *refused] == load(package, method, needed, *less, user="root")


def test_sys_admin_stands_for_both(method: str, hook: str, package: Path) -> None:
    """CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON."""
    assert ["loaded"] == load(package, method, NEEDED[hook] - BPF | ADMIN)


def test_mounting_tracefs(method: str, hook: str, package: Path) -> None:
    """On a host without tracefs the tracepoint hook also needs CAP_SYS_ADMIN."""
    if hook != "tracepoint":
        pytest.skip("only tracepoints are listed in tracefs")
    cases = (BPF | {"CAP_DAC_READ_SEARCH"}, NEEDED[hook] | ADMIN)
    prefix = (*UNLIMITED, *WITHOUT_TRACEFS)
    assert ["refused", "loaded"] == load(package, method, *cases, prefix=prefix)


@pytest.mark.skipif(not COUNTS_LOCKED, reason="maps are not locked memory since 5.11")
def test_locked_memory(method: str, hook: str, package: Path) -> None:
    """Before 5.11 loading needs a high RLIMIT_MEMLOCK, or CAP_SYS_RESOURCE."""
    cases = (NEEDED[hook], NEEDED[hook] | {"CAP_SYS_RESOURCE"})
    prefix = ("prlimit", "--memlock=65536:65536", *WITH_TRACEFS)
    assert ["refused", "loaded"] == load(package, method, *cases, prefix=prefix)
