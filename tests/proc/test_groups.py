"""Groups that a test makes, compared with the groups that a full scan finds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import Marks, OwnedGroup
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.listeners import Listener, as_user, installed, listening
from tools.harness.processes import poll


NOBODY = 65_534

ByUser = list[tuple[int, tuple[Marks, ...]]]


def scan() -> tuple[OwnedGroup, ...]:
    source = ProcScan()
    if source.inexact_reason:
        pytest.skip(f"groups cannot be told apart here: {source.inexact_reason}")
    return GroupScanner(source).poll().groups


def of(*comms: str) -> list[OwnedGroup]:
    """Return the groups of *comms* that a full scan finds."""
    return [owned for owned in scan() if owned.comm in comms]


def marks(listener: Listener) -> tuple[Marks, ...]:
    """Return the marks of the only group of *listener*."""
    (owned,) = of(listener.comm)
    return owned.group.marks


def by_user(comm: str) -> ByUser:
    """Return the uid and the marks of each group of *comm*."""
    return [(owned.uid, owned.group.marks) for owned in of(comm)]


KINDS = [
    ("init()", "ADD, OPEN", "inode", False),
    ("init()", "EVICTABLE, OPEN", "inode", False),
    ("init()", "IGNORED, OPEN", "inode", False),
    ("init()", "IGNORE, OPEN", "inode", False),
    ("init(FID)", "ADD, OPEN", "inode", False),
    ("init()", "MOUNT, OPEN", "mount", False),
    ("init()", "FILESYSTEM, OPEN", "filesystem", False),
    ("init(CONTENT)", "ADD, OPEN_PERM", "inode", True),
    ("init(CONTENT)", "ADD, OPEN_EXEC_PERM | OPEN", "inode", True),
    ("init(CONTENT)", "IGNORED, OPEN_PERM", "inode", False),
    ("init(PRE_CONTENT)", "ADD, ACCESS_PERM", "inode", True),
    ("init(PRE_CONTENT)", "ADD, PRE_ACCESS", "inode", True),
    ("init(MNT)", "MNTNS, MNT_ATTACH", "mntns", False),
]


@pytest.mark.parametrize(("group", "mark", "mark_type", "blocking"), KINDS)
def test_each_kind_of_mark(
    group: str,
    mark: str,
    mark_type: str,
    blocking: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """A mark has the right type and blocking, for each form that this kernel has."""
    (tmp_path / "marked").touch()
    path = "/proc/self/ns/mnt" if mark_type == "mntns" else str(tmp_path / "marked")
    with listening(
        f"""
        try:
            mark({group}, {mark}, {path!r})
        except OSError as error:
            say(str(error))
        """
    ) as listener:
        if listener.said:
            pytest.skip(f"this kernel refuses it: {listener.said[0]}")
        assert (Marks(mark_type, blocking, 1),) == marks(listener)


def test_many_marks(tmp_path: Path) -> None:
    """Hundreds of marks of three types are counted exactly."""
    for number in range(523):
        (tmp_path / str(number)).touch()
    with listening(
        """
        group = init(CONTENT)
        for number in range(523):
            mark(group, ADD, OPEN_PERM if number < 101 else OPEN, str(number))
        mark(group, FILESYSTEM, OPEN, ".")
        """,
        folder=str(tmp_path),
    ) as listener:
        assert (
            Marks("filesystem", blocking=False, count=1),
            Marks("inode", blocking=False, count=422),
            Marks("inode", blocking=True, count=101),
        ) == marks(listener)


def test_removed_marks(tmp_path: Path) -> None:
    """A removed mark and a mark of a deleted inode are not counted."""
    for name in ("kept", "removed", "deleted"):
        (tmp_path / name).touch()
    with listening(
        """
        group = init()
        for path in ("kept", "removed", "deleted"):
            mark(group, ADD, OPEN, path)
        say()
        mark(group, 2, OPEN, "removed")
        os.unlink("deleted")
        """,
        folder=str(tmp_path),
    ) as listener:
        assert 3 == marks(listener)[0].count
        listener.go_on()
        assert 1 == poll(lambda: marks(listener)[0].count, lambda count: count == 1)


ONE_GROUP = "group = init(); mark(group, ADD, OPEN, '/')"

SHARED = {
    "dup": "os.dup(group); os.dup2(group, 500)",
    "fork": "fork(); fork()",
    "both": "os.dup(group); fork(); os.dup(group)",
    "SCM_RIGHTS": """
        ours, theirs = socket.socketpair()

        def receive():
            os.close(group)
            os.dup(0)  # so that the received descriptor has another number
            socket.recv_fds(theirs, 1, 1)

        socket.send_fds(ours, [b"."], [group])
        fork(receive)
        """,
    "exec": """
        def become():
            os.set_inheritable(group, True)
            os.set_inheritable(1, True)
            if not os.fork():
                libc.prctl(1, 9)
                os.execl("/bin/sleep", "sleep", "60")

        fork(become)
        """,
}


@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
def test_shared_group_counts_once(share: str) -> None:
    """A group with several descriptors, in any processes, counts once."""
    with listening(ONE_GROUP, share) as listener:
        assert (Marks("inode", blocking=False, count=1),) == marks(listener)


def test_equal_groups_count_each() -> None:
    """Groups with equal fdinfo count each, in one process and in two."""
    with (
        listening(ONE_GROUP, "first = group", ONE_GROUP) as one,
        listening(ONE_GROUP) as other,
    ):
        assert Counter({one.comm: 2, other.comm: 1}) == Counter(
            owned.comm for owned in of(one.comm, other.comm)
        )


def test_each_child_with_its_own() -> None:
    """Groups of several children count each, even with the same descriptor number."""
    with listening("for number in range(7): fork(init)") as listener:
        assert 7 == len(of(listener.comm))


def test_owner_is_the_earliest_process() -> None:
    """The owner is the earliest process with the group, then the next one."""
    with listening(
        """
        def inherit():
            name("t-heir")
            libc.prctl(1, 0)
            end = lambda: (sys.stdin.read(), os._exit(0))
            threading.Thread(target=end).start()

        init()
        fork(inherit)
        """
    ) as listener:
        assert [listener.comm] == [owned.comm for owned in of(listener.comm, "t-heir")]
        listener.process.kill()
        listener.process.wait()
        assert ["t-heir"] == [owned.comm for owned in of(listener.comm, "t-heir")]


def test_thread_of_another_name() -> None:
    """A group that a thread made has the name of the process's first thread."""
    with listening(
        """
        def work():
            name("t-thread")
            init()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """
    ) as listener:
        assert 1 == len(of(listener.comm))
        assert [] == of("t-thread")


def test_group_of_another_user() -> None:
    """A group of a user without privileges has the uid of that user."""
    with listening("init(FID)", prefix=as_user(NOBODY)) as listener:
        assert [(NOBODY, ())] == by_user(listener.comm)


def test_effective_user() -> None:
    """A group has the effective uid of its process, not the real uid."""
    with listening("init(); os.seteuid(1234)") as listener:
        assert [(1234, ())] == by_user(listener.comm)


def test_unlimited_marks() -> None:
    """Marks of a group with FAN_UNLIMITED_MARKS are not limited; others are."""
    with (
        listening("group = init(UNLIMITED_MARKS); mark(group, ADD, OPEN, '/')") as one,
        listening(ONE_GROUP) as other,
    ):
        assert {one.comm: 0, other.comm: 1} == {
            owned.comm: owned.group.limited_marks for owned in of(one.comm, other.comm)
        }


@pytest.mark.parametrize(
    ("comm", "shown"),
    [
        (b"t\n", r"t\x0a"),
        (b"t) S 1 1 1 (t", "t) S 1 1 1 (t"),
        (b"t\xff\\", r"t\xff\\"),
        (b"t\nUid:\t7\t7\t", r"t\x0aUid:\x097\x097\x09"),
    ],
)
def test_hostile_comm(comm: bytes, shown: str) -> None:
    """Bytes in the name of a process do not break the parsing of its files."""
    with listening(f"name({comm!r}); init(); os.seteuid(1234)"):
        assert [1234] == [owned.uid for owned in of(shown)]


def test_fsnotifywait(tmp_path: Path) -> None:
    """The program fsnotifywait has one group, with a mark for each given folder."""
    folders = [tmp_path / str(number) for number in range(23)]
    for folder in folders:
        folder.mkdir()
    expected: ByUser = [(0, (Marks("inode", blocking=False, count=23),))]
    options: list[str | Path] = ["--fanotify", "--monitor", *folders]
    with installed("fsnotifywait", *options, folder=tmp_path) as program:
        assert expected == program.shows(lambda: by_user(program.comm), expected)


def test_fatrace(tmp_path: Path) -> None:
    """The program fatrace has one group, with a mark on the current filesystem."""
    expected: ByUser = [(0, (Marks("filesystem", blocking=False, count=1),))]
    options = ("--current-mount", "--command=nobody")
    with installed("fatrace", *options, folder=tmp_path) as program:
        assert expected == program.shows(lambda: by_user(program.comm), expected)
