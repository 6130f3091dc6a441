"""
A user without privileges brings the exporter to at most 4,200 samples.

The user makes calls with as many keys as there are slots for unprivileged callers and
for inotify_add_watch(2), 128 fanotify groups and 8,192 inotify instances, each under a
name of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot, Usage
from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.fsnotify.model import (
    Group,
    GroupScan,
    InotifyInstance,
    Marks,
    OwnedGroup,
    Queue,
    UserCounts,
)
from fanotify_exporter.metrics.families import count_series
from fanotify_exporter.metrics.registry import Registry
from tools.harness.golden import LOADED, SNAPSHOT, SOURCES, WAIT_PROGRAMS, call_programs


# The promise of docs/scale.md.
MAX_SAMPLES = 4_200
# --bpf.max-user-entries.
SLOTS = 1_024
# Slots of inotify_add_watch(2).
WATCH_SLOTS = 256

FLAGS = [
    action | mark_type
    for action in (0x1, 0x2, 0x80, 0x83)
    for mark_type in (0x0, 0x10, 0x100, 0x110)
]
# All events that have a name, and bits without one.
MASK = 0xFFFF_FFFF_FFFF_FFFF
EINVAL, ENOSPC = 22, 28

# Marks that a user can make: since Linux 6.16 also of mounts and filesystems, in a user
# namespace of the user.
MARKS = tuple(
    Marks(mark_type, blocking=False, count=1)
    for mark_type in ("inode", "mount", "filesystem", "mntns")
)


def flood() -> Snapshot:
    """Return failed calls with a key for each slot, and calls without a slot."""
    calls = [
        Call(f"u{number}", FLAGS[number % len(FLAGS)], MASK, EINVAL, 1, 1.0)
        for number in range(SLOTS)
    ]
    calls += [Call(OTHER_COMM, flags, 0, EINVAL, 9, 1.0) for flags in FLAGS]
    watches = [
        Call(f"w{number}", 0, 0, ENOSPC, 1, 1.0) for number in range(WATCH_SLOTS)
    ]
    watches += [Call(OTHER_COMM, 0, 0, error, 9, 1.0) for error in (0, 1)]
    usage = (
        Usage("calls_privileged", 0, 8192),
        Usage("calls_user", SLOTS, SLOTS),
        Usage("inotify_add_watch", WATCH_SLOTS, WATCH_SLOTS),
    )
    flooded = {"fanotify_mark": tuple(calls), "inotify_add_watch": tuple(watches)}
    none = dict.fromkeys(SNAPSHOT.calls, ())
    return replace(SNAPSHOT, calls={**none, **flooded}, usage=usage)


def crowd(uid: Callable[[int], int], *, by_iterator: bool) -> GroupScan:
    """Return groups and instances of the users *uid*, with queues by an iterator."""
    groups = tuple(
        OwnedGroup(
            f"g{number}",
            uid(number),
            Group(0, MARKS),
            queue=Queue(number, 256, overflowed=True) if by_iterator else None,
        )
        for number in range(128)
    )
    instances = tuple(
        InotifyInstance(f"i{number}", uid(number), number) for number in range(8_192)
    )
    users = {1000: UserCounts(128, 512, 8_192, 9_999)} if by_iterator else None
    return GroupScan(groups, 0, 5.0, instances=instances, users=users)


@pytest.mark.parametrize(
    "scan",
    [
        crowd(lambda _: 1000, by_iterator=True),
        # Without the kernel's counts, users of the user's own user namespaces count.
        crowd(lambda number: 100_000 + number, by_iterator=False),
    ],
    ids=["iterator", "proc"],
)
def test_samples(scan: GroupScan) -> None:
    """All families together have at most MAX_SAMPLES samples, with two listeners."""
    snapshot = flood()
    sources = replace(
        SOURCES, calls=lambda: snapshot, start_group_scan=lambda: lambda: scan
    )
    collectors = {each.name: each.build(sources) for each in CATALOG}
    health = ExporterHealthCollector(
        LOADED.bcc, [call_programs(snapshot), WAIT_PROGRAMS], lambda _: True
    )
    registry = Registry({**collectors, "exporter_health": health})
    samples = sum(map(count_series, registry.scrape().collect()))
    print(f"{samples} samples")
    assert 3_000 < samples <= MAX_SAMPLES
