"""
Callers with CAP_SYS_ADMIN in the initial user namespace have slots of their own.

The capability decides, and not the uid: root of a container has uid 0 without it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import REFUSED, Load
from tools.harness.plans import ADD, NOBODY, OPEN
from tools.harness.privileges import AS_NOBODY, without_capability


ENTRIES = 64

# Run a command as root of a new user namespace, with all capabilities there.
NAMESPACE_ROOT = ("unshare", "--user", "--map-root-user")
KEEP_SYS_ADMIN = ("--inh-caps=+sys_admin", "--ambient-caps=+sys_admin")

# By comm: the user that runs the prefix of the caller, and the prefix.
PRIVILEGED: dict[str, tuple[int, tuple[str, ...]]] = {
    "root": (0, ()),
    "nobody-with": (0, (*AS_NOBODY, *KEEP_SYS_ADMIN)),
}
OTHERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "nobody": (NOBODY, ()),
    "root-without": (0, without_capability("sys_admin")),
    "ns-root": (0, NAMESPACE_ROOT),
    "ns-nobody": (NOBODY, NAMESPACE_ROOT),
}

FLOOD = [(ADD, 1 << 40 | n, 1) for n in range(2 * ENTRIES)]

# Hides the kernel's BTF from a program and from its children.
WITHOUT_BTF = """\
mount --bind /dev/null /sys/kernel/btf/vmlinux
exec "$@"
"""

# Counts a call of root and a call of nobody; prints which sections they used.
COUNT = """\
import ctypes, os, sys
from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run

try:
    loaded = run.load("auto", 64, 64, timeout=120.0)
except LoadError as error:
    print(error.why)
    sys.exit()
maps, libc = CallMaps(loaded), ctypes.CDLL(None)
for user in (0, 65534):
    if not os.fork():
        os.setresuid(user, user, user)
        libc.prctl(15, b"by-uid-%d" % user)
        libc.inotify_init1(0)
        os._exit(0)
    os.wait()
counted = [call.comm for call in maps.read().calls["inotify_init"]]
print(sorted(comm for comm in counted if comm.startswith("by-uid-")))
privileged, others, *_ = maps.read().usage
print(privileged.entries > 0, others.entries > 0)
print(loaded.uid_reason)
"""


def test_slots_by_capability(load: Load, caller: Caller) -> None:
    """While other callers have no slot left, callers with the capability have."""
    counts = load(ENTRIES)
    for user, prefix in OTHERS.values():
        caller.run(FLOOD, "flood", user=user, wrap=prefix)
    for comm, (user, prefix) in (PRIVILEGED | OTHERS).items():
        caller.run([(ADD, OPEN, 7)], comm, user=user, wrap=prefix)

    assert "" == counts.uid_reason
    with_slots = {comm for comm, *_ in counts.of(*PRIVILEGED, *OTHERS)}
    assert set(PRIVILEGED) == with_slots


@pytest.mark.any_hook
def test_both_sections_full(load: Load, caller: Caller) -> None:
    """If privileged callers fill their own slots, the others keep theirs."""
    counts = load(ENTRIES)
    flood = caller.run(FLOOD, "flood")
    first = caller.run([(ADD, OPEN, 7)], "nobody", user=NOBODY)
    flood += caller.run(FLOOD, "flood", user=NOBODY)
    late = caller.run([(ADD, OPEN, 7)], "late")
    calls = counts.read().calls["fanotify_mark"]
    others = sum(call.count for call in calls if call.comm == OTHER_COMM)
    kept = counts.of("flood", "nobody", "late")

    assert first == counts.of("nobody")
    assert not counts.of("late")
    assert (flood + first + late).total() == kept.total() + others


def test_uid_decides_without_btf() -> None:
    """A kernel whose BTF cannot be read counts all calls, and has slots for uid 0."""
    shell = ("unshare", "--mount", "--propagation=private", "sh", "-ec", WITHOUT_BTF)
    command = [*shell, "sh", sys.executable, "-c", COUNT]
    said = subprocess.check_output(command, text=True).splitlines()
    if said[0].startswith(REFUSED):  # lockdown leaves fentry only, which needs BTF
        pytest.skip(said[0])

    assert ["['by-uid-0', 'by-uid-65534']", "True True"] == said[:2]
    assert "the kernel's BTF cannot be parsed" in said[2]
