"""Processes read from /proc: this process, a child, and folders made for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fanotify_exporter.procfs.process import (
    CHUNK_BYTES,
    INITIAL_USER_NAMESPACE,
    LINKS_AT_ONCE,
    Credentials,
    count_fds,
    opened_process,
    parse_credentials,
    parse_pid_numbers,
    parse_start_time,
    parse_table_size,
    read_credentials,
    read_fdinfo,
    read_link,
    read_linked_fds,
    read_pids,
    read_process_comm,
    read_start_time,
    shows_our_pids,
)
from tools.harness.proc_folder import ProcFolder


@pytest.fixture
def own_process() -> Iterator[int]:
    """Give this process, opened."""
    with opened_process(os.getpid()) as process:
        yield process


def test_pids() -> None:
    """The list has this process and its parent, and no pid twice."""
    pids = read_pids()
    assert {os.getpid(), os.getppid()} <= set(pids)
    assert len(pids) == len(set(pids))


def test_pids_of_a_folder(tmp_path: Path) -> None:
    """Only folders whose names are numbers are processes."""
    for name in ("1", "23", "self", "sys", "1a", "-1"):
        (tmp_path / name).mkdir()
    assert [1, 23] == sorted(read_pids(tmp_path))


def linked(process: int, *paths: Path) -> list[tuple[int, str]]:
    parts = read_linked_fds(process, {*map(str, paths)})
    return sorted(each for part in parts for each in part)


def test_descriptors_by_their_link(own_process: int, tmp_path: Path) -> None:
    """Descriptors are found by the target of their link."""
    paths = [tmp_path / name for name in ("one", "two", "three")]
    for path in paths:
        path.touch()
    with ExitStack() as stack:
        opened = [
            (stack.enter_context(path.open()).fileno(), str(path))
            for path in paths * LINKS_AT_ONCE
        ]
        expected = sorted(each for each in opened if each[1] != str(paths[1]))
        assert expected == linked(own_process, paths[0], paths[2])
        assert [] == linked(own_process, tmp_path)
        assert opened[5][1] == read_link(own_process, opened[5][0])
    assert [] == linked(own_process, *paths)
    assert "" == read_link(own_process, opened[5][0])


def test_number_of_descriptors(own_process: int) -> None:
    """The number of descriptors is exact since Linux 6.2, and higher before."""
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(Path("/dev/null").open())
        listed = len(list(Path("/proc/self/fd").iterdir())) - 1
        exact = Path("/proc/self/fd").stat().st_size > 0
        count = count_fds(own_process)
        assert listed == count if exact else listed <= count
    status = Path("/proc/self/status").read_bytes()
    assert listed <= parse_table_size(status)


def test_process_that_ended() -> None:
    """Every read of a process that has ended raises the error of a missing process."""
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with opened_process(child.pid) as process:
        assert read_start_time(process) > 0
        child.communicate()
        for read in (read_start_time, read_process_comm, read_credentials):
            with pytest.raises((ProcessLookupError, FileNotFoundError)):
                read(process)
        with pytest.raises((ProcessLookupError, FileNotFoundError)):
            linked(process, Path())
        with pytest.raises((ProcessLookupError, FileNotFoundError)):
            list(read_fdinfo(process, 0))
    with pytest.raises(FileNotFoundError), opened_process(child.pid):
        pass


def test_fdinfo(own_process: int) -> None:
    """The chunks of a descriptor's fdinfo are the whole file."""
    with Path("/dev/null").open() as file:
        whole = Path(f"/proc/self/fdinfo/{file.fileno()}").read_bytes()
        assert whole == b"".join(read_fdinfo(own_process, file.fileno()))
    assert whole.startswith(b"pos:")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_fdinfo_comes_in_whole_lines(tmp_path: Path, end: bytes) -> None:
    """Chunks end at line ends, except for a last line without one, and stay small."""
    text = b"\n".join(b"%d " % number + b"x" * (number % 97) for number in range(9999))
    path = tmp_path / "7/fdinfo/4"
    path.parent.mkdir(parents=True)
    path.write_bytes(text + end)
    with opened_process(7, tmp_path) as process:
        chunks = list(read_fdinfo(process, 4))
    assert text + end == b"".join(chunks)
    assert all(chunk.endswith(b"\n") for chunk in chunks[: None if end else -1])
    assert max(map(len, chunks)) < CHUNK_BYTES + 200


def test_values_of_this_process(own_process: int) -> None:
    """Comm, user and start time of this process agree with its system calls."""
    comm = Path("/proc/self/comm").read_bytes()
    assert comm == read_process_comm(own_process) + b"\n"
    assert os.geteuid() == read_credentials(own_process).uid
    ticks = os.sysconf("SC_CLK_TCK")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < read_start_time(own_process) / ticks <= uptime


@pytest.mark.parametrize("comm", [b"sh", b"", b"a b", b") S 1 2 (", b"\xff\n"])
def test_parses_start_time(comm: bytes) -> None:
    """The start time is the 22nd field, whatever bytes the name in field 2 has."""
    fields = b" ".join(b"%d" % number for number in range(4, 53))
    assert 22 == parse_start_time(b"77 (%s) S %s\n" % (comm, fields))


@pytest.mark.parametrize(
    ("uids", "effective", "privileged"),
    [
        ("2\t2\t2", "0000000000000000", False),
        ("2\t2\t2", "0000000000200000", True),
        ("2\t2\t2", "ffffffffffdfffff", False),
        ("2\t2\t2", "000001ffffffffff", True),
        ("1\t2\t2", "000001ffffffffff", False),
        ("2\t2\t1", "000001ffffffffff", False),
    ],
)
def test_parses_credentials(
    uids: str,
    effective: str,
    privileged: bool,  # noqa: FBT001
) -> None:
    """
    The uid is the second of four; bit 21 of CapEff is CAP_SYS_ADMIN.

    A program with several uids runs for another user.
    """
    status = (
        f"Name:\tUid:\nUmask:\t0022\nUid:\t{uids}\t4\nGid:\t5\t6\t7\t8\n"
        f"CapPrm:\t000001ffffffffff\nCapEff:\t{effective}\nCapBnd:\t0000000000000000\n"
    )
    assert (2, privileged) == parse_credentials(status.encode())


@pytest.mark.parametrize(
    ("link", "privileged"),
    [(INITIAL_USER_NAMESPACE, True), ("user:[4026532999]", False)],
)
def test_user_namespace_of_credentials(
    tmp_path: Path,
    link: str,
    privileged: bool,  # noqa: FBT001
) -> None:
    """All capabilities in another user namespace are no privilege on the host."""
    proc = ProcFolder(tmp_path / "proc")
    proc.start(7, uid=1000, privileged=True)
    (proc.path / "7/ns/user").unlink()
    (proc.path / "7/ns/user").symlink_to(link)
    with opened_process(7, proc.path) as process:
        assert Credentials(1000, privileged) == read_credentials(process)


def test_own_namespace() -> None:
    """The procfs of this machine belongs to the pid namespace of this process."""
    assert shows_our_pids()


def test_procfs_without_this_process(tmp_path: Path) -> None:
    """A procfs without this process belongs to another pid namespace."""
    assert not shows_our_pids(tmp_path)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Tgid:\t5\nPid:\t5\nNSpid:\t5\n", [5]),
        ("Pid:\t812\nPPid:\t1\nNStgid:\t812\t5\nNSpid:\t812\t5\n", [812, 5]),
        ("Pid:\t5\n", [5]),
    ],
)
def test_parses_pid_numbers(status: str, expected: list[int]) -> None:
    """The pids are one for each namespace of the process, the procfs's own first."""
    assert expected == parse_pid_numbers(status)
