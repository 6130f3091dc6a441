"""Filters in the kernel: only wanted calls are sent."""

from __future__ import annotations

import errno
from collections import Counter

import pytest

from fanotify_exporter.bpf.call_records import Filter
from tools.harness.kernel_caller import Caller
from tools.harness.plans import ADD, NOBODY, OPEN
from tools.harness.traced_calls import by_key, tracing


FAILING = (0, OPEN, 3)  # no command: EINVAL
WORKING = (ADD, OPEN, 5)


pytestmark = pytest.mark.any_hook


@pytest.mark.parametrize(
    ("wanted", "callers"),
    [
        (Filter(comm=b"one"), {"one": 8}),
        (Filter(comm=b"exactly-15-byte"), {"exactly-15-byte": 8}),
        (Filter(uid=NOBODY), {"two": 8}),
        (Filter(failed=True), {"one": 3, "two": 8, "exactly-15-byte": 3}),
        (Filter(error=errno.EINVAL, uid=0), {"one": 3, "exactly-15-byte": 3}),
        (Filter(("inotify_init1", "inotify_add_watch")), {}),
        (Filter(("fanotify_mark",), b"two", NOBODY, errno.EINVAL, True), {"two": 3}),  # noqa: FBT003
    ],
    ids=["comm", "long comm", "uid", "failed", "errno", "syscall", "all"],
)
def test_filter(
    method: str, caller: Caller, wanted: Filter, callers: dict[str, int]
) -> None:
    """The calls that pass the filter are told, and no others."""
    with tracing(method, wanted) as traced:
        plan = [FAILING, WORKING]
        for comm, user in (("one", 0), ("two", NOBODY), ("exactly-15-byte", 0)):
            caller.run(plan, comm, user=user)
        calls = [
            call
            for call in traced.calls("one", "two", "exactly-15-byte")
            if call.syscall == "fanotify_mark"
        ]
        if traced.lost:
            pytest.skip(f"{traced.lost} calls are told as lost: inconclusive")
    found: Counter[str] = Counter()
    for (comm, *_), count in by_key(calls).items():
        found[comm] += count
    assert callers == found
