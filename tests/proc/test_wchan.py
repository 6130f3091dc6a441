"""
Tasks that wait for a real permission listener, as a scan of /proc sees them.

The listener holds back accesses to a scratch file only, and has a watchdog.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from fanotify_exporter.fsnotify.waits import PermissionGroup, WaitScan
from fanotify_exporter.fsnotify.wchan import WaitScanner
from fanotify_exporter.fsnotify.wchan_support import unseen_reason
from fanotify_exporter.procfs.process import opened_process
from fanotify_exporter.procfs.task import read_voluntary_switches
from tools.harness.child_waits import PRIVATE_MOUNTS, waits_in_child
from tools.harness.permission.listener import Listener, listening
from tools.harness.permission.opener import Kind, Opener, opening
from tools.harness.processes import poll
from tools.harness.requirements import need


# The serving process keeps these for its scan for groups.
CAPABILITIES = ("CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE")


@pytest.fixture(autouse=True)
def _seen() -> None:
    """Skip where the kernel does not tell what a task waits for."""
    if reason := unseen_reason():
        pytest.skip(reason)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.write_bytes(b"scratch")
    return path


@pytest.fixture
def listener(scratch: Path) -> Iterator[Listener]:
    """Run a listener that has marked the scratch file."""
    need("gcc")
    with listening() as listener:
        listener.mark(scratch)
        yield listener


@pytest.fixture
def comms(listener: Listener) -> set[str]:
    """Return the names of the listeners that the scanner knows, and no others."""
    return {listener.comm}


@pytest.fixture
def scanner(comms: set[str]) -> WaitScanner:
    groups = GroupScanner(ProcScan())

    def scan() -> GroupScan:
        found = groups.poll()
        known = tuple(owned for owned in found.groups if owned.comm in comms)
        return replace(found, groups=known)

    return WaitScanner(scan)


def waiting(scanner: WaitScanner, number: int, comm: str) -> WaitScan:
    """Return the first scan in which *number* tasks of *comm* wait."""

    def count(scan: WaitScan) -> int:
        return sum(waiter.comm == comm for waiter in scan.waiters)

    scan = poll(scanner.poll, lambda scan: count(scan) == number)
    assert number == count(scan)
    return scan


def only_group(scan: WaitScan) -> PermissionGroup:
    (group,) = scan.groups
    return group


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_waiting_tasks(
    listener: Listener, scratch: Path, scanner: WaitScanner, kind: Kind
) -> None:
    """All tasks that wait are seen, until they are answered or killed."""
    with opening(scratch, tasks=5, kind=kind) as opener:
        opener.await_waiting(5)
        listener.read(5)
        first = waiting(scanner, 5, opener.comm)
        waiters = [each for each in first.waiters if each.comm == opener.comm]
        assert set(opener.tids) == {waiter.tid for waiter in waiters}
        pids = {opener.pid} if kind == "threads" else set(opener.tids)
        assert pids == {waiter.pid for waiter in waiters}

        group = only_group(first)
        assert (listener.comm, "content", listener.pid) == (
            group.comm,
            group.group_class,
            group.listener,
        )
        assert len(first.waiters) == group.waiting
        assert frozenset({listener.pid}) == group.holders
        assert {group.address} == {waiter.group for waiter in first.waiters} != {0}

        if kind == "processes":
            opener.kill_task(opener.tids[0])
            waiting(scanner, 4, opener.comm)
        listener.answer(5)
        opener.finish()
    waiting(scanner, 0, opener.comm)


def test_closed_group(listener: Listener, scratch: Path, scanner: WaitScanner) -> None:
    """After the listener was killed nobody waits, and soon no listener is known."""
    with opening(scratch, tasks=3) as opener:
        waiting(scanner, 3, opener.comm)
        listener.kill()
        opener.finish()
        waiting(scanner, 0, opener.comm)

    def known(scan: WaitScan) -> set[str]:
        return {group.comm for group in scan.groups}

    # Known groups are looked at once a second.
    scan = poll(scanner.poll, lambda scan: listener.comm not in known(scan))
    assert listener.comm not in known(scan)


def test_shared_group(listener: Listener, scanner: WaitScanner) -> None:
    """All processes with the group are holders, and the first one is the listener."""
    listener.dup()
    child = listener.fork()
    group = only_group(scanner.poll())
    assert listener.pid == group.listener
    assert frozenset({listener.pid, child}) == group.holders


def test_two_listeners(
    listener: Listener, comms: set[str], scratch: Path, scanner: WaitScanner
) -> None:
    """With two listeners of different names, tasks wait for some listener."""
    with listening() as peer, opening(scratch, tasks=2) as opener:
        comms.add(peer.comm)
        scan = waiting(scanner, 2, opener.comm)
        group = only_group(scan)
        assert (0, "", "content", 0) == (
            group.address,
            group.comm,
            group.group_class,
            group.listener,
        )
        assert len(scan.waiters) == group.waiting
        listener.read(2)
        listener.answer(2)
        opener.finish()


def since(scanner: WaitScanner, opener: Opener) -> float:
    """Return since when the only task of *opener* waits."""
    scan = poll(scanner.poll, lambda scan: opener.comm in str(scan.waiters))
    return next(each.since for each in scan.waiters if each.comm == opener.comm)


def test_answers_of_others(
    listener: Listener, scratch: Path, scanner: WaitScanner
) -> None:
    """A wait goes on while the listener answers others, which wakes up all tasks."""
    with opening(scratch, tasks=7) as others:
        listener.read(7)
        with opening(scratch) as opener:
            opener.await_waiting(1)
            first = since(scanner, opener)
            with opened_process(opener.pid) as process:
                switches = read_voluntary_switches(process, opener.tids[0])
                listener.answer(7)
                others.finish()
                opener.await_waiting(1)
                assert switches < read_voluntary_switches(process, opener.tids[0])
            assert first == since(scanner, opener)


def test_next_wait(listener: Listener, scratch: Path, scanner: WaitScanner) -> None:
    """A task that was answered, and has written a line since, is in another wait."""
    with opening(scratch, times=2) as opener:
        opener.await_waiting(1)
        first = since(scanner, opener)
        listener.serve(1)
        opener.await_waiting(1, ended=1)
        assert first < since(scanner, opener)


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("user", ["nobody", "root"])
def test_confined(scratch: Path, user: str) -> None:
    """The retained capabilities suffice, and the filter refuses nothing."""
    with opening(scratch, tasks=3) as opener:
        opener.await_waiting(3)
        seen = waits_in_child(user=user, capabilities=CAPABILITIES)
        assert (None, 3) == (seen.reason, seen.comms.count(opener.comm))


@pytest.mark.usefixtures("listener")
def test_too_few_capabilities(scratch: Path) -> None:
    """Without CAP_SYS_PTRACE no task is seen, and the reason says so."""
    with opening(scratch) as opener:
        opener.await_waiting(1)
        seen = waits_in_child(user="nobody", capabilities=CAPABILITIES[:1])
        assert [] == seen.comms
        assert "CAP_SYS_PTRACE" in (seen.reason or "")


def test_in_the_background(listener: Listener, scratch: Path) -> None:
    """A thread finds tasks that begin to wait, and forgets tasks that go on."""
    background = BackgroundScan(
        WaitScanner(GroupScanner(ProcScan()).poll), "waiting tasks", max_age=60.0
    )
    background.start()
    try:
        with opening(scratch, tasks=5) as opener:

            def number() -> int:
                scan = background.latest()
                waiters = scan.waiters if scan else ()
                return sum(waiter.comm == opener.comm for waiter in waiters)

            assert 5 == poll(number, lambda number: number == 5)
            listener.serve(5)
            opener.finish()
            assert 0 == poll(number, lambda number: number == 0)
    finally:
        background.stop()


def test_every_open_hangs() -> None:
    """A scan opens nothing outside of /proc."""
    assert [] != waits_in_child(prefix=PRIVATE_MOUNTS, is_stalled=True).comms


def test_procfs_cannot_be_held_back(listener: Listener) -> None:
    """The kernel refuses permission marks on procfs, so a scan cannot hang there."""
    with pytest.raises(OSError, match="Invalid argument") as refused:
        listener.mark(Path("/proc/self/status"))
    assert errno.EINVAL == refused.value.errno
