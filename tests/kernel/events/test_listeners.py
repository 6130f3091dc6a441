"""The listener for which the programs count an event."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from fanotify_exporter.bpf.event_maps import GROUPS
from fanotify_exporter.bpf.event_samples import UNPRIVILEGED_COMM
from fanotify_exporter.bpf.permission_samples import GROUPS_FULL_COMM, UNKNOWN_COMM
from fanotify_exporter.system.machine import kernel_version
from tools.harness.cgroup2 import cgroup, hierarchy
from tools.harness.counted_events import CountedEvents, attached_events
from tools.harness.listeners import as_user, listening
from tools.harness.sysctl import limited


# A user that no other process has.
USER = 23_457

OPENING = """
def touch(path, times):
    # Each event is one that nobody has read yet.
    for _ in range(times):
        os.close(os.open(path, os.O_RDONLY))
        for group in groups:
            if reads:
                os.read(group, 4096)

groups, reads = [], True
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.touch()
    return path


def test_reader(counted: CountedEvents, scratch: Path) -> None:
    """After a read by another process its name is that of the listener."""
    code = f"""
        path = {str(scratch)!r}
        groups.append(init())
        mark(groups[0], ADD, OPEN, path)
        own = open("/proc/self/comm").read().strip()

        def work():
            name("r" + own[1:])
            touch(path, 5)

        fork(work)
    """
    with listening(OPENING, code) as program:
        # The child reads the first event, and only then has the group its name.
        counted.agree(program.comm, queued=1)
        counted.agree(f"r{program.comm[1:]}", queued=4)


def test_thread(counted: CountedEvents, scratch: Path) -> None:
    """The name is that of the first thread of the process that reads."""
    code = f"""
        path = {str(scratch)!r}
        groups.append(init())
        mark(groups[0], ADD, OPEN, path)

        def work():
            name("worker")
            touch(path, 5)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    with listening(OPENING, code) as program:
        counted.agree(program.comm, queued=5)
        counted.agree("worker")


def test_listener_from_before(events_method: str, scratch: Path) -> None:
    """A group from before the programs has no name until its listener reads."""
    code = f"""
        path = {str(scratch)!r}
        groups.append(init())
        mark(groups[0], ADD, OPEN, path)
        say()
        touch(path, 5)
    """
    with listening(OPENING, code) as program, attached_events(events_method) as loaded:
        counted = CountedEvents(loaded)
        program.go_on()
        counted.agree(UNKNOWN_COMM, queued=1)
        counted.agree(program.comm, queued=4)


def test_one_listener_after_the_other(counted: CountedEvents, scratch: Path) -> None:
    """Listeners with groups at one address are counted apart."""
    code = f"""
        groups.append(init())
        mark(groups[0], ADD, OPEN, {str(scratch)!r})
        touch({str(scratch)!r}, 3)
    """
    before = counted.read().usage
    for _ in range(5):
        with listening(OPENING, code) as program:
            counted.agree(program.comm, queued=3)
            program.end()
    assert before == counted.read().usage


def test_strangers(counted: CountedEvents) -> None:
    """Groups of a user take no entry of a map, and have one series together."""
    if kernel_version() < (5, 13):
        pytest.skip("before Linux 5.13 a user cannot mark files of tmpfs")
    with NamedTemporaryFile(dir="/dev/shm") as scratch:  # overlayfs: since Linux 6.6
        os.fchmod(scratch.fileno(), 0o644)
        code = f"""
            groups.extend(init(FID) for _ in range(3))
            for group in groups:
                mark(group, ADD, OPEN, {scratch.name!r})
            touch({scratch.name!r}, 5)
            for number in range(300):
                name(f"stranger-{{number}}")
                touch({scratch.name!r}, 1)
        """
        before = counted.read()
        with listening(OPENING, code, prefix=as_user(USER)):
            after = counted.read()
            counted.agree(UNPRIVILEGED_COMM, queued=3 * 305)
    assert before.usage == after.usage
    names = {each.comm for each in before.listeners}
    assert {UNPRIVILEGED_COMM} >= {each.comm for each in after.listeners} - names


def test_more_groups_than_the_map_has(counted: CountedEvents, scratch: Path) -> None:
    """The events of groups that do not fit into the map have a name of their own."""
    code = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
        groups.extend(init() for _ in range({GROUPS} + 44))
        for group in groups:
            mark(group, ADD, OPEN, {str(scratch)!r})
        touch({str(scratch)!r}, 2)
    """
    (before,) = counted.read().usage
    with (
        limited("fanotify/max_user_groups", 1024),
        listening(OPENING, code) as program,
    ):
        (usage,) = counted.read().usage
        assert (GROUPS, GROUPS) == (usage.entries, usage.max_entries)
        others = 44 + before.entries
        counted.agree(program.comm, queued=2 * (GROUPS - before.entries))
        counted.agree(GROUPS_FULL_COMM, queued=2 * others)
        program.end()
    assert before == counted.read().usage[0]


def test_events_by_cgroup(events_method: str, tmp_path: Path, scratch: Path) -> None:
    """With --label.container a listener is counted by its cgroup."""
    code = f"""
        path = {str(scratch)!r}
        say()
        groups.append(init())
        mark(groups[0], ADD, OPEN, path)
        touch(path, 5)
    """
    with (
        hierarchy(tmp_path) as root,
        cgroup(root / "events.scope") as container,
        attached_events(events_method, container=True) as loaded,
        listening(OPENING, code) as program,
    ):
        counted = CountedEvents(loaded)
        (container / "cgroup.procs").write_text(str(program.pid))
        program.go_on()
        counted.agree(program.comm, queued=5)
        (found,) = (
            each for each in counted.read().listeners if each.comm == program.comm
        )
        assert container.stat().st_ino == found.cgroup
        program.end()
