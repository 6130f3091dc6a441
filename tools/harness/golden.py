"""A fixed set of samples, and the golden files with their exposition."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from fanotify_exporter.bpf.event_samples import (
    UNPRIVILEGED_COMM,
    EventSnapshot,
    ListenerEvents,
)
from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Lost, Snapshot, Usage
from fanotify_exporter.collectors.catalog import CATALOG, Sources
from fanotify_exporter.collectors.exporter_health import (
    ExporterHealthCollector,
    ProgramSet,
    ServerState,
)
from fanotify_exporter.collectors.labels import PLAIN
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall
from fanotify_exporter.fsnotify.model import (
    Group,
    GroupScan,
    InotifyInstance,
    Marks,
    OwnedGroup,
    Queue,
    WideMarks,
)
from fanotify_exporter.fsnotify.mount_table import MountScanner
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.uapi.comm import comm_text
from fanotify_exporter.uapi.fanotify import FAN_UNLIMITED_MARKS
from tools import CHECKOUT
from tools.harness import permission_waits
from tools.harness.exposition import Encoder, encode_openmetrics, encode_text
from tools.harness.loaded_programs import WITHOUT_MAPS


PROC = CHECKOUT / "tests/unit/fixtures/proc"
GOLDEN = CHECKOUT / "tests/unit/golden"
TEXT = GOLDEN / "metrics.txt"
OPENMETRICS = GOLDEN / "metrics.openmetrics.txt"
ENCODERS: dict[Path, Encoder] = {TEXT: encode_text, OPENMETRICS: encode_openmetrics}

BOOTED = 1_750_000_000.0

SCAN = GroupScan(
    groups=(
        OwnedGroup(
            "fapolicyd",
            994,
            Group(
                4,
                (
                    Marks("mount", blocking=True, count=9),
                    Marks("inode", blocking=False, count=2),
                ),
                *[WideMarks(mounts=frozenset({25, 27, 41, 65, 1000}))] * 2,
            ),
            queue=Queue(length=4096, limit=16384, unanswered=3),
        ),
        OwnedGroup(
            "fatrace",
            0,
            Group(
                0,
                (Marks("filesystem", blocking=False, count=3),),
                # /dev/vda, a btrfs and a filesystem of another mount namespace.
                WideMarks(devices=frozenset({254 << 20, 40, 77})),
            ),
            privileged=True,
            queue=Queue(length=100, limit=16384),
        ),
        OwnedGroup(
            "fatrace",
            0,
            Group(0, (Marks("filesystem", blocking=False, count=4),)),
            queue=Queue(length=16384, limit=16384, overflowed=True),
        ),
        OwnedGroup(
            "edr",
            0,
            Group(
                FAN_UNLIMITED_MARKS | 0x8,  # FAN_CLASS_PRE_CONTENT
                (Marks("inode", blocking=True, count=90_000),),
            ),
            queue=Queue(length=20_000, limit=None, unanswered=1),
        ),
        OwnedGroup("idle", 1000, Group(FAN_UNLIMITED_MARKS, ()), queue=Queue(0, 16384)),
    ),
    instances=(
        InotifyInstance("systemd", 0, watches=12, privileged=True),
        InotifyInstance("systemd", 0, watches=3, privileged=True),
        InotifyInstance("code", 1000, watches=41_000),
        InotifyInstance("tail", 1000, watches=1),
    ),
    unreadable=3,
    left_out=12,
    scanned=1_750_000_000.5,
)

SNAPSHOT = Snapshot(
    counting_since=1_700_000_000.0,
    calls={
        "fanotify_mark": (
            # fatrace marks every mount; one call fails with EINVAL.
            Call("fatrace", 0x011, 0x4000_003B, 0, 12, BOOTED + 60.25),
            Call("fatrace", 0x101, 0x4000_003B, 22, 1, BOOTED + 60.125),
            # clamonacc removes with an empty mask, which fails (clamav's inotif.c).
            Call("clamonacc", 0x001, 0x0801_0000, 0, 5041, BOOTED + 10),
            Call("clamonacc", 0x002, 0, 22, 5041, BOOTED + 11),
            Call("clamonacc", 0x001, 0x0801_0000, 28, 3, BOOTED + 12),
            # fapolicyd places permission marks on mounts, and removes them.
            Call("fapolicyd", 0x011, 0x0005_0000, 0, 9, BOOTED + 5),
            Call("fapolicyd", 0x090, 0, 0, 1, BOOTED + 500),
            # A mark on a mount namespace, and bits without a name.
            Call("systemd", 0x111, 0x0300_0000, 0, 1, BOOTED + 2),
            Call("future", 0x8001, 0x8000_0000_0000_2020, 22, 2, BOOTED + 70),
            # Two commands at once, and a count that a float cannot hold exactly.
            Call("fuzzer", 0x083, 0x8000_0020, 22, 2**53 + 2, BOOTED + 80),
            # Names with bytes that need escaping.
            Call(comm_text(b""), 0x001, 0x20, 0, 1, BOOTED + 90),
            Call(comm_text(b'"} 1\nforged 1'), 0x001, 0x20, 0, 1, BOOTED + 91),
            Call(comm_text(b"a\\nb\xff\xc3\xa9"), 0x001, 0x20, 9, 1, BOOTED + 92),
            # The map was full.
            Call(OTHER_COMM, 0x011, 0, 0, 400, BOOTED + 100),
            Call(OTHER_COMM, 0x011, 0, 1, 3, BOOTED + 101),
        ),
        "fanotify_init": (
            Call("fatrace", 0x1, 0x8000, 0, 1, BOOTED + 60),
            Call("fapolicyd", 0x46, 0x88000, 0, 1, BOOTED + 4),
            # HSM daemons use pre-content events; two classes at once are refused.
            Call("hsmd", 0xA08, 0x2, 0, 1, BOOTED + 3),
            Call("fuzzer", 0x8000_000C, 0x8000_0003, 22, 2, BOOTED + 81),
            # A leak of groups reaches the limit (inspektor-gadget issue 2967).
            Call("gadget", 0x5, 0x80000, 24, 128, BOOTED + 200),
            Call(OTHER_COMM, 0x4, 0, 1, 7, BOOTED + 201),
        ),
        "inotify_init": (
            Call("systemd", 0x80800, 0, 0, 30, BOOTED + 1),
            Call("tail", 0, 0, 24, 1, BOOTED + 300),
            Call("future", 0x1, 0, 22, 1, BOOTED + 301),
        ),
        "inotify_add_watch": (
            # An editor reaches the limit of watches. systemd meets files that are gone.
            Call("code", 0, 0, 0, 98_304, BOOTED + 40),
            Call("code", 0, 0, 28, 12, BOOTED + 41),
            Call("systemd", 0, 0, 0, 61, BOOTED + 1),
            Call("systemd", 0, 0, 2, 3, BOOTED + 2),
        ),
    },
    usage=(
        Usage("calls_privileged", 4096, 8192),
        Usage("calls_user", 1024, 1024),
        Usage("inotify_add_watch", 4, 256),
    ),
    lost=(
        Lost("fanotify_mark", "map_full", 403),
        Lost("fanotify_init", "map_full", 7),
        Lost("inotify_init", "map_full", 0),
        Lost("inotify_add_watch", "map_full", 0),
        Lost("fanotify_mark", "no_entry", 0),
        Lost("fanotify_mark", "recursion", 2),
        Lost("fanotify_init", "no_entry", 0),
        Lost("fanotify_init", "recursion", 0),
        Lost("inotify_init", "no_entry", 1),
        Lost("inotify_init", "recursion", 0),
        Lost("inotify_add_watch", "no_entry", 0),
        Lost("inotify_add_watch", "recursion", 0),
    ),
)

CALLS_IN_PROGRESS = (
    OngoingCall(4711, 1, "fapolicyd", privileged=True, registers=1, sleeps=3),
    OngoingCall(4712, 1, "fapolicyd", privileged=True, registers=2, sleeps=3),
    OngoingCall(5000, 2, "indexer", privileged=False, registers=3, sleeps=9),
)

LOADED = replace(
    WITHOUT_MAPS,
    probes=(
        AttachedProbe("fanotify_mark", "tracepoint:syscalls:sys_enter_fanotify_mark"),
        AttachedProbe("fanotify_mark", "tracepoint:syscalls:sys_exit_fanotify_mark"),
    ),
)


EVENTS = EventSnapshot(
    counting_since=1_700_000_090.0,
    listeners=(
        ListenerEvents("auditor", {"queued": 9000, "merged": 400, "dropped": 12}, 0),
        ListenerEvents("hsmd", {"queued": 9, "merged": 0, "dropped": 3}, 3),
        ListenerEvents(UNPRIVILEGED_COMM, {"queued": 70, "merged": 5, "dropped": 2}, 0),
    ),
    usage=(Usage("event_groups", 2, 256),),
    lost=(Lost("event", "no_entry", 0), Lost("event", "nmissed", 4)),
)

SOURCES = Sources(
    calls=lambda: SNAPSHOT,
    waits=lambda: permission_waits.SNAPSHOT,
    events=lambda: EVENTS,
    labelling=PLAIN,
    start_group_scan=lambda: lambda: SCAN,
    start_wait_scan=lambda: lambda: permission_waits.SCAN,
    start_call_scan=lambda: lambda: CALLS_IN_PROGRESS,
    start_mount_scan=lambda: MountScanner(PROC).poll,
    procfs=PROC,
)


def call_programs(snapshot: Snapshot = SNAPSHOT) -> ProgramSet:
    """Return LOADED as a set of programs that counted *snapshot*."""
    return ProgramSet("calls", LOADED.probes, lambda: snapshot)


WAIT_PROGRAMS = ProgramSet(
    "permission",
    (
        AttachedProbe("permission_wait", "kprobe:fsnotify_prepare_user_wait"),
        AttachedProbe("permission_wait", "kprobe:fsnotify_finish_user_wait"),
        AttachedProbe("permission_response", "kprobe:fanotify_write"),
    ),
    lambda: permission_waits.SNAPSHOT,
)


EVENT_PROGRAMS = ProgramSet(
    "events",
    (AttachedProbe("event", "kprobe:fsnotify_insert_event"),),
    lambda: EVENTS,
)


def registry() -> Registry:
    """Return a registry of all collectors, which collect the fixed samples."""
    health = ExporterHealthCollector(
        LOADED.bcc,
        [call_programs(), WAIT_PROGRAMS, EVENT_PROGRAMS],
        lambda hook: "sys_exit" not in hook,
        ServerState(lambda: 0, web_config_age=lambda: 0.25),
    )
    collectors = {each.name: each.build(SOURCES) for each in CATALOG}
    return Registry(collectors | {"exporter_health": health})


def normalise(text: str) -> str:
    """
    Return *text* without the values that differ between runs and machines.

    The values of process_* and of the durations of collectors become 0. The labels
    version, revision, python and kernel of build_info become "NORMALISED".
    """
    volatile = r"process_\w+|fanotify_exporter_collector_duration_seconds"
    text = re.sub(
        rf"^((?:{volatile})(?:{{.*}})?) .+$", r"\1 0.0", text, flags=re.MULTILINE
    )
    build_info = re.search(r"^fanotify_exporter_build_info{.*$", text, re.MULTILINE)
    assert build_info
    fixed = re.sub(
        r'\b(version|revision|python|kernel)="[^"]*"', r'\1="NORMALISED"', build_info[0]
    )
    return text.replace(build_info[0], fixed)


def render() -> dict[Path, str]:
    """Return the text that each golden file should have."""
    return {
        golden: normalise(encode(registry().scrape().collect()).decode())
        for golden, encode in ENCODERS.items()
    }
