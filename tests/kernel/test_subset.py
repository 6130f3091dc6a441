"""Programs that count a part of the system calls."""

from __future__ import annotations

from collections import Counter

import pytest

from fanotify_exporter.bpf.loaded import SYSCALLS
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts, attached


# Arguments of each system call, and how often a test makes it.
PLANS = {
    "fanotify_mark": [(1, 0x20, 13)],
    "fanotify_init": [(1, 0, 17)],
    "inotify_init": [(0x800, 0, 19)],
    "inotify_add_watch": [(0, 0, 23)],
}
CALLED = {"inotify_init": "inotify_init1"}


@pytest.mark.parametrize("syscall", SYSCALLS)
def test_one_syscall(method: str, syscall: str, caller: Caller) -> None:
    """The calls that are asked for are counted, and no probe is on the others."""
    with attached(method, 64, syscalls=(syscall,)) as loaded:
        counts = {name: Counts(loaded, name) for name in SYSCALLS}
        made = {
            name: caller.run(plan, "subset", syscall=CALLED.get(name, name))
            for name, plan in PLANS.items()
        }
        assert {syscall} == {probe.name for probe in loaded.probes}
        counts[syscall].agree(made[syscall], "subset")
        for other in set(SYSCALLS) - {syscall}:
            is_raw = loaded.hook == "raw_tracepoint"
            assert (Counter() == counts[other].of("subset")) != is_raw
