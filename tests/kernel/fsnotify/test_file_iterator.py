"""Groups and instances that a test makes, compared with passes of the iterator."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.file_iter import MAX_HOLDERS, FileIterator
from fanotify_exporter.fsnotify.inventory import Kind, OpenFile
from fanotify_exporter.fsnotify.model import Queue, UserCounts
from fanotify_exporter.system.machine import kernel_version
from tools.harness.listeners import as_user, listening
from tools.harness.permission import listener as permission
from tools.harness.permission.opener import opening


# A user that no other process has.
USER = 23_456


def files_of(iterator: FileIterator, comm: str) -> list[OpenFile]:
    """Return the files whose owner is called *comm*, those of fanotify first."""
    found = [each for each in iterator.list().files if each.comm == comm]
    return sorted(found, key=lambda each: each.kind is Kind.INOTIFY)


def test_each_file_is_listed_once(iterator: FileIterator) -> None:
    """A duplicated and inherited descriptor refers to the same file."""
    code = """
        files = init(), instance()
        [os.dup(fd) for fd in files for _ in range(3)]
        say(*files, fork())
    """
    with listening(code) as program:
        *fds, child = program.said
        group, instance = files_of(iterator, program.comm)
    assert [Kind.FANOTIFY, Kind.INOTIFY] == [group.kind, instance.kind]
    for fd, file in zip(fds, (group, instance), strict=True):
        pids = [(pid, number) for _, pid, number in file.descriptors]
        assert [(program.pid, fd), (child, fd)] == pids
        assert (0, True) == (file.uid, file.privileged)


def test_a_closed_file_is_gone(iterator: FileIterator) -> None:
    """A pass lists the files that are open during the pass."""
    code = """
        one, other = instance(), instance()
        say()
        os.close(one)
        say()
    """
    with listening(code) as program:
        assert 2 == len(files_of(iterator, program.comm))
        program.go_on()
        assert 1 == len(files_of(iterator, program.comm))


def test_the_owner_of_a_user(iterator: FileIterator) -> None:
    """The files of an ordinary user, also with the capability in a user namespace."""
    prefix = (*as_user(USER), "unshare", "--user", "--map-root-user")
    with listening("instance()", prefix=prefix) as program:
        (file,) = files_of(iterator, program.comm)
    assert (USER, False) == (file.uid, file.privileged)


def test_queue(iterator: FileIterator, tmp_path: Path) -> None:
    """A queue has the events that nobody has read."""
    code = f"""
        folder = {str(tmp_path)!r}
        file = instance()
        watch(file, folder)
        for number in range(23):
            open(f"{{folder}}/{{number}}", "w").close()
        say()
        os.read(file, 65536)
        say()
    """
    with listening(code) as program:
        (file,) = files_of(iterator, program.comm)
        assert file.queue
        assert (23, False) == (file.queue.length, file.queue.overflowed)
        program.go_on()
        (read,) = files_of(iterator, program.comm)
        assert Queue(0, file.queue.limit) == read.queue


def test_overflow(iterator: FileIterator, tmp_path: Path) -> None:
    """After an overflow the queue has one event above its limit."""
    code = f"""
        folder, sysctl = {str(tmp_path)!r}, "/proc/sys/fs/inotify/max_queued_events"
        before = open(sysctl).read()
        open(sysctl, "w").write("10")
        file = instance()
        open(sysctl, "w").write(before)
        watch(file, folder)
        for number in range(23):
            open(f"{{folder}}/{{number}}", "w").close()
    """
    with listening(code) as program:
        (file,) = files_of(iterator, program.comm)
    assert Queue(11, 10, overflowed=True) == file.queue


def test_unlimited_queue(iterator: FileIterator) -> None:
    """A group with FAN_UNLIMITED_QUEUE has no limit."""
    with listening("init(0x10)") as program:
        (file,) = files_of(iterator, program.comm)
    assert Queue(0, None) == file.queue


def test_unanswered_events(iterator: FileIterator, tmp_path: Path) -> None:
    """Permission events are in the queue until they are read, then unanswered."""
    scratch = tmp_path / "scratch"
    scratch.touch()
    with permission.listening() as listener:
        listener.mark(scratch)
        with opening(scratch, tasks=8) as opener:
            opener.await_waiting(8)
            listener.read(5)
            (file,) = files_of(iterator, listener.comm)
            assert file.queue
            assert (3, 5) == (file.queue.length, file.queue.unanswered)
            listener.answer(5)
            listener.serve(3)
            opener.finish()
        (file,) = files_of(iterator, listener.comm)
        assert file.queue
        assert (0, 0) == (file.queue.length, file.queue.unanswered)


@pytest.mark.parametrize("namespaces", [(), ("unshare", "-Ur"), ("unshare", "-Ur") * 2])
def test_counts_of_users(iterator: FileIterator, namespaces: tuple[str, ...]) -> None:
    """The counts are those that the kernel compares with the limits."""
    # Before Linux 5.13 a user cannot mark files of tmpfs, and before 6.6 not those of
    # overlayfs, which /tmp may be.
    marks = 2 if kernel_version() >= (5, 13) else 0
    code = f"""
        groups = init(FID), init(FID)
        for group in groups[:{marks}]:
            mark(group, ADD, OPEN, "/dev/shm")
        instances = [instance() for _ in range(3)]
        for path in ("/", "/usr", "/etc", "/proc"):
            watch(instances[0], path)
        watch(instances[1], "/")
    """
    with listening(code, prefix=(*as_user(USER), *namespaces)):
        users = iterator.list().users
    if users is None:
        pytest.skip("this kernel counts the groups of users elsewhere")
    assert UserCounts(groups=2, marks=marks, instances=3, watches=5) == users[USER]


def test_thread_with_descriptors_of_its_own(iterator: FileIterator) -> None:
    """After unshare(CLONE_FILES) a descriptor is in no list of the process."""
    code = """
        def work():
            checked(libc.unshare(0x400))
            group = init()
            say(threading.get_native_id(), group)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    with listening(code) as program:
        tid, fd = program.said
        (file,) = files_of(iterator, program.comm)
        assert [(tid, fd)] == [each[1:] for each in file.descriptors]
        assert f"/proc/{program.pid}/fd/{fd}" not in [
            str(path) for path in Path(f"/proc/{program.pid}/fd").iterdir()
        ]
        assert "fanotify" in Path(f"/proc/{tid}/fdinfo/{fd}").read_text()


def test_process_whose_first_thread_has_ended(iterator: FileIterator) -> None:
    """The other threads go on with the descriptors, and the name stays."""
    code = """
        leader = threading.get_native_id()

        def work():
            while open(f"/proc/self/task/{leader}/stat").read().split()[2] != "Z":
                time.sleep(0.01)
            say(threading.get_native_id(), group)
            os._exit(0)

        group = init()
        threading.Thread(target=work).start()
        libc.syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
    """
    with listening(code) as program:
        tid, fd = program.said
        (file,) = files_of(iterator, program.comm)
        assert [(tid, fd)] == [each[1:] for each in file.descriptors]


def test_processes_and_descriptors_of_a_user(iterator: FileIterator) -> None:
    """Files that many processes have open in turn are each told by the first."""
    code = """
        groups = init(FID), init(FID)
        [os.dup(fd) for _ in range(500) for fd in groups]
        children = [fork() for _ in range(30)]
    """
    with listening(code, prefix=as_user(USER)) as program:
        files = files_of(iterator, program.comm)
    assert 2 == len(files)
    for file in files:
        assert program.pid == file.descriptors[0][1]
        assert MAX_HOLDERS == len(file.descriptors)
