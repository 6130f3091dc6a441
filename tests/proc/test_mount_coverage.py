"""
Real marks on real mounts, compared with the coverage that scans find.

The programs run as process 1 of a pid namespace, in a mount namespace of their own, so
that no mount and no mark touches the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import NO_WIDE_MARKS, GroupScan
from fanotify_exporter.fsnotify.mount_coverage import Coverage, find_coverage
from fanotify_exporter.fsnotify.mount_table import MountScanner, MountTable
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.listeners import NEW_PIDS, Listener, as_user, listening
from tools.harness.processes import poll


NEW_PROC = (*NEW_PIDS, "--mount-proc")

# Two filesystems, a bind mount of each, a mount below one, and a hidden mount.
MOUNTS = """
import subprocess

def mount(*words):
    subprocess.run(["mount", *words], check=True)

def tmpfs(path):
    os.makedirs(path, exist_ok=True)
    mount("-t", "tmpfs", "scratch", path)

def bind(path, other):
    os.makedirs(other, exist_ok=True)
    mount("--bind", path, other)

tmpfs("/mnt")
for path in ("/mnt/one", "/mnt/two", "/mnt/two/below", "/mnt/stack", "/mnt/stack"):
    tmpfs(path)
bind("/mnt/one", "/mnt/other one")
bind("/mnt/two", b"/mnt/two\\n\\xff")
"""

ALL = {
    *(b"/mnt", b"/mnt/one", b"/mnt/two", b"/mnt/two/below", b"/mnt/stack"),
    *(b"/mnt/other one", b"/mnt/two\n\xff"),
}


def inner_proc(listener: Listener) -> Path:
    """Return the procfs that the processes in the namespaces of *listener* see."""
    unshare = listener.process.pid
    (pid,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    return Path(f"/proc/{pid}/root/proc")


def scan(listener: Listener) -> tuple[GroupScan, MountTable]:
    proc = inner_proc(listener)
    return GroupScanner(ProcScan(proc), proc).poll(), MountScanner(proc).poll()


def covered(listener: Listener) -> set[bytes]:
    """Return the mount points below /mnt that the marks of *listener* cover."""
    groups, table = scan(listener)
    (coverage,) = find_coverage(groups.groups, table)
    assert coverage.comm == listener.comm
    return names(coverage, table)


def names(coverage: Coverage, table: MountTable) -> set[bytes]:
    points = {table.mounts[each].mount_point for each in coverage.covered}
    return {point for point in points if point.startswith(b"/mnt")}


@contextmanager
def marking(*code: str) -> Iterator[Listener]:
    with listening(MOUNTS, *code, prefix=NEW_PROC) as listener:
        yield listener


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("MOUNT, OPEN, '/mnt/one'", {b"/mnt/one"}),
        ("MOUNT, OPEN, '/mnt/other one'", {b"/mnt/other one"}),
        ("MOUNT, OPEN, '/mnt/two'", {b"/mnt/two"}),
        ("FILESYSTEM, OPEN, '/mnt/two'", {b"/mnt/two", b"/mnt/two\n\xff"}),
        ("FILESYSTEM, OPEN, b'/mnt/two\\n\\xff'", {b"/mnt/two", b"/mnt/two\n\xff"}),
        ("FILESYSTEM, OPEN, '/mnt/stack'", {b"/mnt/stack"}),
        ("FILESYSTEM, OPEN, '/mnt'", {b"/mnt"}),
    ],
)
def test_covered(marks: str, expected: set[bytes]) -> None:
    """A mount mark covers its mount only, a filesystem mark every bind mount too."""
    with marking(f"mark(init(), {marks})") as listener:
        assert expected == covered(listener)


def test_table() -> None:
    """The table has each mount that a path leads to, once."""
    with marking("mark(init(), MOUNT, OPEN, '/mnt')") as listener:
        _, table = scan(listener)
        points = [each.mount_point for each in table.mounts.values()]
        assert ALL == {point for point in points if point.startswith(b"/mnt")}
        assert 1 == points.count(b"/mnt/stack")
        assert b"/proc" not in points


def test_ignoring_and_inode_marks() -> None:
    """Marks that only ignore events, and marks on folders, cover no mount."""
    with marking(
        """
        group = init()
        mark(group, MOUNT, OPEN, "/mnt/one")
        mark(group, IGNORED | MOUNT, OPEN, "/mnt/two")
        mark(group, ADD, OPEN, "/mnt/stack")
        """
    ) as listener:
        assert {b"/mnt/one"} == covered(listener)


def test_blocking_marks() -> None:
    """Of a program with blocking wide marks only those count; nothing executes here."""
    with marking(
        """
        mark(init(CONTENT), MOUNT, OPEN_EXEC_PERM, "/mnt/one")
        mark(init(), FILESYSTEM, OPEN, "/mnt/two")
        """
    ) as listener:
        groups, table = scan(listener)
        (coverage,) = find_coverage(groups.groups, table)
        assert coverage.can_block
        assert {b"/mnt/one"} == names(coverage, table)


def test_later_mounts() -> None:
    """A mount that appears after the marks is not covered, and a new mark covers it."""
    with marking(
        """
        group = init()
        mark(group, MOUNT, OPEN, "/mnt/one")
        say()
        tmpfs("/mnt/late")
        say()
        mark(group, MOUNT, OPEN, "/mnt/late")
        say()
        subprocess.run(["umount", "/mnt/one"], check=True)
        """
    ) as listener:
        assert {b"/mnt/one"} == covered(listener)
        listener.go_on()
        _, table = scan(listener)
        assert b"/mnt/late" in {each.mount_point for each in table.mounts.values()}
        assert {b"/mnt/one"} == covered(listener)
        listener.go_on()
        assert {b"/mnt/one", b"/mnt/late"} == covered(listener)
        listener.go_on()
        assert {b"/mnt/late"} == covered(listener)


def test_marks_of_another_mount_namespace() -> None:
    """Mount marks on copies of the mounts match none; filesystem marks match."""
    with marking(
        """
        group = init()

        def leave():
            checked(libc.unshare(0x20000))
            mark(group, MOUNT, OPEN, "/mnt/one")

        def mark_filesystem():
            mark(group, FILESYSTEM, OPEN, "/mnt/two")

        fork(leave)
        say()
        fork(mark_filesystem)
        """
    ) as listener:
        assert set() == covered(listener)
        listener.go_on()
        assert {b"/mnt/two", b"/mnt/two\n\xff"} == covered(listener)


def test_marks_of_an_ordinary_user() -> None:
    """A user who marks mounts of an own user namespace is left out."""
    prefix = (*as_user(65_534), "unshare", "--user", "--map-root-user", "--mount")
    with listening(
        """
        import subprocess
        subprocess.run(["mount", "-t", "tmpfs", "scratch", "/mnt"], check=True)
        try:
            mark(init(FID), FILESYSTEM, OPEN, "/mnt")
        except PermissionError:
            say("refused")
        """,
        prefix=prefix,
    ) as listener:
        if listener.said:
            pytest.skip("before Linux 6.16 such a mark takes more privileges")
        scanner = GroupScanner(ProcScan())
        (owned,) = poll(
            lambda: [
                each for each in scanner.poll().groups if each.comm == listener.comm
            ],
            lambda found: len(found) == 1,
        )
        assert "filesystem" == owned.group.marks[0].mark_type
        assert NO_WIDE_MARKS == owned.group.wide_marks
        assert [] == find_coverage([owned], MountScanner().poll())
