"""The seccomp filter of the serving process on this kernel."""

from __future__ import annotations

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import SYSCALLS, LoadedCalls
from fanotify_exporter.bpf.missed_runs import MissedRuns
from fanotify_exporter.commands import programs
from fanotify_exporter.commands.live_sources import NO_SOURCES
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.system import privileges, seccomp
from fanotify_exporter.system.seccomp_calls import ABSENT
from tools.harness.filtered_calls import (
    ALLOWED_IF,
    NOT_THERE,
    REFUSED,
    REFUSED_CALLS,
    REFUSED_IF,
    of_this_machine,
)
from tools.harness.forked import in_child


# SECCOMP_RET_KILL_PROCESS of include/uapi/linux/seccomp.h
KILL_PROCESS = 0x8000_0000


def test_counts_are_read(
    shared_probes: LoadedCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A confined process reads counts and missed runs, and no call is refused."""
    monkeypatch.setattr(seccomp, "REFUSE", KILL_PROCESS)
    maps = CallMaps(shared_probes)

    def read() -> None:
        privileges.drop((), None)
        programs.confine(Programs(shared_probes), NO_SOURCES)
        assert maps.read()
        for syscall in SYSCALLS:
            assert list(MissedRuns(shared_probes).read(syscall))

    assert 0 == in_child(read)


@pytest.mark.any_hook
@pytest.mark.usefixtures("method")
def test_this_kernel_refuses() -> None:
    """Each call of the table is refused, and the others reach the kernel."""
    arguments = (-1, -1, -1, -1, -1, -1)
    refused = [(name, arguments) for name in REFUSED_CALLS] + REFUSED_IF
    found = of_this_machine(refused)
    assert {} == {call: error for call, error in found.items() if error != REFUSED}
    absent = of_this_machine([(name, arguments) for name in ABSENT])
    assert {NOT_THERE} == set(absent.values())
    assert not {REFUSED, NOT_THERE} & set(of_this_machine(ALLOWED_IF).values())
