"""inotify instances that a test makes, compared with those that a scan finds."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import InotifyInstance
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.child_scan import scan_in_child
from tools.harness.listeners import NEW_PIDS, as_user, installed, listening
from tools.harness.processes import poll


NOBODY = 65_534


def instances() -> tuple[InotifyInstance, ...]:
    source = ProcScan()
    if source.inexact_reason:
        pytest.skip(f"instances cannot be told apart here: {source.inexact_reason}")
    return GroupScanner(source).poll().instances


def of(*comms: str) -> list[InotifyInstance]:
    """Return the instances of *comms* that a scan finds."""
    return [each for each in instances() if each.comm in comms]


def watches(comm: str) -> list[int]:
    return sorted(each.watches for each in of(comm))


WATCHED = "inotify = instance(); watch(inotify, '/'); watch(inotify, '/tmp')"

SHARED = {
    "dup": "os.dup(inotify); os.dup2(inotify, 500)",
    "fork": "fork(); fork()",
    "SCM_RIGHTS": """
        ours, theirs = socket.socketpair()

        def receive():
            os.close(inotify)
            os.dup(0)  # so that the received descriptor has another number
            socket.recv_fds(theirs, 1, 1)

        socket.send_fds(ours, [b"."], [inotify])
        fork(receive)
        """,
}


@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
def test_shared_instance_counts_once(share: str) -> None:
    """An instance with several descriptors, in any processes, counts once."""
    with listening(WATCHED, share) as listener:
        (found,) = of(listener.comm)
        assert 2 == found.watches
        assert len(found.descriptors) >= 2


def test_other_pid_namespace() -> None:
    """An instance of another pid namespace counts once."""
    with listening(WATCHED, "fork()", prefix=NEW_PIDS) as listener:
        assert {listener.comm: [2]}.items() <= scan_in_child().watches.items()


def test_instances_and_groups() -> None:
    """Instances of one process count each, and no group is an instance."""
    with listening("init(); instance()", WATCHED) as listener:
        assert [0, 2] == watches(listener.comm)
        assert 1 == scan_in_child().groups[listener.comm]


def test_user() -> None:
    """An instance of a user has the uid of that user, and is not privileged."""
    with (
        listening(WATCHED, prefix=as_user(NOBODY)) as user,
        listening(WATCHED) as root,
    ):
        assert {(user.comm, NOBODY, False), (root.comm, 0, True)} == {
            (each.comm, each.uid, each.privileged) for each in of(user.comm, root.comm)
        }


def test_many_watches(tmp_path: Path) -> None:
    """A thousand watches of one instance are counted, and removed ones are not."""
    for number in range(1000):
        (tmp_path / str(number)).touch()
    with listening(
        """
        inotify = instance()
        numbers = [watch(inotify, str(number)) for number in range(1000)]
        say()
        for number in numbers[:400]:
            checked(libc.inotify_rm_watch(inotify, number))
        """,
        folder=str(tmp_path),
    ) as listener:
        assert [1000] == watches(listener.comm)
        listener.go_on()
        assert [600] == poll(lambda: watches(listener.comm), lambda got: got == [600])


def test_inotifywait(tmp_path: Path) -> None:
    """The program inotifywait has one instance, with a watch for each folder."""
    for number in range(23):
        (tmp_path / f"{number % 5}/{number}").mkdir(parents=True)
    options = ("--monitor", "--recursive", "--quiet", str(tmp_path))
    with installed("inotifywait", *options, folder=tmp_path) as program:
        found = program.shows(lambda: watches(program.comm), [1 + 5 + 23])
        assert [1 + 5 + 23] == found


FIND = "find /proc/[0-9]*/fd -lname anon_inode:inotify -printf '%h\\n' 2>/dev/null"


def by_hand() -> Counter[int]:
    """Return the number of descriptors of instances by pid, as find(1) shows them."""
    found = subprocess.run(
        ["sh", "-c", FIND], stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    return Counter(int(line.split("/")[2]) for line in found.split())


def by_scan() -> Counter[int]:
    """Return the number of descriptors of instances by pid, as a scan finds them."""
    return Counter(pid for each in instances() for _, pid, _ in each.descriptors)


def test_hand_count() -> None:
    """A scan finds the descriptors that people find today by find(1)."""
    with listening(WATCHED, "instance(); fork()") as listener:
        assert 2 == by_hand()[listener.pid]
        assert poll(lambda: by_scan() == by_hand())
