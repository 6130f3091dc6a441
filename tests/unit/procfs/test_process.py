"""
Texts of /proc in, numbers out.

The fixtures are what Linux 6.18 wrote about a loaded program, with 23 misses put
in; the second one lacks the lines that came with 5.12 and later. What is read of
a process is read of this one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fanotify_exporter.procfs.capabilities import (
    CAPABILITIES,
    parse_capabilities,
    read_capabilities,
)
from fanotify_exporter.procfs.fdinfo import parse_program_misses, read_program_misses
from fanotify_exporter.procfs.mounts import parse_mounted, read_mounted
from fanotify_exporter.procfs.process import (
    CHUNK_BYTES,
    LINKS_AT_ONCE,
    opened_process,
    parse_effective_uid,
    parse_pid_numbers,
    parse_start_time,
    read_effective_uid,
    read_fdinfo,
    read_linked_fds,
    read_pids,
    read_process_comm,
    read_start_time,
    shows_our_pids,
)
from fanotify_exporter.procfs.sysctl import read_fanotify_limit


FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_misses_of_a_program() -> None:
    """The kernel's own count of skipped runs is read from our descriptor's fdinfo."""
    assert 23 == read_program_misses(7, FIXTURES / "proc")


def test_misses_on_a_kernel_without_the_figure() -> None:
    """Kernels before 5.12 do not count skipped runs: 0."""
    assert 0 == read_program_misses(7, FIXTURES / "proc_before_5.12")


def test_descriptor_that_is_closed() -> None:
    """A descriptor that does not exist is an error, not a 0 to be trusted."""
    with pytest.raises(FileNotFoundError):
        read_program_misses(8, FIXTURES / "proc")


@pytest.mark.parametrize(
    ("fdinfo", "misses"),
    [
        ("", 0),
        ("recursion_misses:\t0\n", 0),
        ("run_cnt:\t5\nrecursion_misses:\t18446744073709551615\n", 2**64 - 1),
        ("recursion_misses:\t7", 7),
        ("not_recursion_misses:\t7\n", 0),
        ("recursion_misses:\tmany\n", 0),
        ("recursion_misses:\t-1\n", 0),
    ],
)
def test_parses_misses(fdinfo: str, misses: int) -> None:
    """The one line counts, wherever it stands; anything else is no figure."""
    assert misses == parse_program_misses(fdinfo)


CAPABILITY_H = Path("/usr/include/linux/capability.h")


def test_capability_numbers_are_the_headers() -> None:
    """Each capability has the number that this machine's header gives it."""
    if not CAPABILITY_H.exists():
        pytest.skip(f"no {CAPABILITY_H} (linux-libc-dev)")
    found = re.findall(
        r"^#define (CAP_\w+)\s+(\d+)$", CAPABILITY_H.read_text(), re.MULTILINE
    )
    defined = {int(number): name for name, number in found}
    assert CAPABILITIES.items() <= defined.items()


def test_capabilities_in_effect() -> None:
    """What counts is the effective set: not the permitted or the bounding one."""
    expected = {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"}
    assert expected == read_capabilities(FIXTURES / "proc")


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        ("0000000000000000", set()),
        ("000001ffffffffff", set(CAPABILITIES.values())),
        ("0000008000000000", {"CAP_BPF"}),
        ("0000000000200000", {"CAP_SYS_ADMIN"}),
    ],
)
def test_parses_capabilities(effective: str, expected: set[str]) -> None:
    """Each bit of CapEff is one capability; those of no use are left out."""
    assert expected == parse_capabilities(f"CapPrm:\tf\nCapEff:\t{effective}\n")


def test_mount_points_of_a_filesystem() -> None:
    """Every place where it is mounted, by its type, not by its device's name."""
    expected = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
    assert expected == read_mounted("tracefs", FIXTURES / "proc")
    assert [] == read_mounted("tracefs", FIXTURES / "proc_before_5.12")


def test_parses_mounts() -> None:
    """Lines that are cut short are no mount points."""
    assert [] == parse_mounted("tracefs", "\n\ntracefs\ntracefs /a\n")


@pytest.fixture
def ourselves() -> Iterator[int]:
    """Our own process, opened."""
    with opened_process(os.getpid()) as process:
        yield process


def test_pids() -> None:
    """What is listed are processes: this one among them, and no other file."""
    pids = read_pids()
    assert {os.getpid(), os.getppid()} <= set(pids)
    assert len(pids) == len(set(pids))


def test_pids_of_a_folder(tmp_path: Path) -> None:
    """Only names that are numbers are processes."""
    for name in ("1", "23", "self", "sys", "1a", "-1"):
        (tmp_path / name).mkdir()
    assert [1, 23] == sorted(read_pids(tmp_path))


def linked(process: int, path: Path, fds: list[int] | None = None) -> list[int]:
    parts = read_linked_fds(process, str(path), fds)
    return sorted(fd for part in parts for fd in part)


def test_descriptors_by_their_link(ourselves: int, tmp_path: Path) -> None:
    """The descriptors that are open on one file, all or those asked for."""
    path = tmp_path / "file"
    path.touch()
    with ExitStack() as stack:
        count = 2 * LINKS_AT_ONCE + 1
        fds = [stack.enter_context(path.open()).fileno() for _ in range(count)]
        assert fds == linked(ourselves, path)
        assert fds[1:3] == linked(ourselves, path, [0, fds[2], fds[1], 999_999])
        assert [] == linked(ourselves, tmp_path)
    assert [] == linked(ourselves, path, fds)


def test_process_that_ended() -> None:
    """What was one process's folder never becomes another's: it is gone."""
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with opened_process(child.pid) as process:
        assert read_start_time(process) > 0
        child.communicate()
        for read in (read_start_time, read_process_comm, read_effective_uid):
            with pytest.raises((ProcessLookupError, FileNotFoundError)):
                read(process)
        with pytest.raises((ProcessLookupError, FileNotFoundError)):
            linked(process, Path())
        with pytest.raises((ProcessLookupError, FileNotFoundError)):
            list(read_fdinfo(process, 0))
    with pytest.raises(FileNotFoundError), opened_process(child.pid):
        pass


def test_fdinfo(ourselves: int) -> None:
    """A descriptor's fdinfo comes whole."""
    with Path("/dev/null").open() as file:
        whole = Path(f"/proc/self/fdinfo/{file.fileno()}").read_bytes()
        assert whole == b"".join(read_fdinfo(ourselves, file.fileno()))
    assert whole.startswith(b"pos:")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_fdinfo_comes_in_whole_lines(tmp_path: Path, end: bytes) -> None:
    """No line is cut in two, but a last one without its end; chunks stay small."""
    text = b"\n".join(b"%d " % number + b"x" * (number % 97) for number in range(9999))
    path = tmp_path / "7/fdinfo/4"
    path.parent.mkdir(parents=True)
    path.write_bytes(text + end)
    with opened_process(7, tmp_path) as process:
        chunks = list(read_fdinfo(process, 4))
    assert text + end == b"".join(chunks)
    assert all(chunk.endswith(b"\n") for chunk in chunks[: None if end else -1])
    assert max(map(len, chunks)) < CHUNK_BYTES + 200


def test_own_process(ourselves: int) -> None:
    """What is read of this process is what its own system calls say."""
    comm = Path("/proc/self/comm").read_bytes()
    assert comm == read_process_comm(ourselves) + b"\n"
    assert os.geteuid() == read_effective_uid(ourselves)
    ticks = os.sysconf("SC_CLK_TCK")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < read_start_time(ourselves) / ticks <= uptime


@pytest.mark.parametrize("comm", [b"sh", b"", b"a b", b") S 1 2 (", b"\xff\n"])
def test_parses_start_time(comm: bytes) -> None:
    """It is the 22nd field, whatever the name, which is the second, holds."""
    fields = b" ".join(b"%d" % number for number in range(4, 53))
    assert 22 == parse_start_time(b"77 (%s) S %s\n" % (comm, fields))


def test_parses_effective_uid() -> None:
    """Of real, effective, saved and filesystem uid it is the second."""
    status = b"Name:\tUid:\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
    assert 2 == parse_effective_uid(status)


def test_own_namespace() -> None:
    """This machine's procfs numbers processes as its system calls do."""
    assert shows_our_pids()


def test_no_process_of_ours(tmp_path: Path) -> None:
    """A procfs that does not know this process is another namespace's."""
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
    """One number for each namespace that the process is in, the procfs's first."""
    assert expected == parse_pid_numbers(status)


def test_limit(tmp_path: Path) -> None:
    """A limit is a number; a kernel without the file has none."""
    folder = tmp_path / "sys/fs/fanotify"
    folder.mkdir(parents=True)
    (folder / "max_user_marks").write_text("8192\n")
    assert 8192 == read_fanotify_limit("max_user_marks", tmp_path)
    assert read_fanotify_limit("watchdog_timeout", tmp_path) is None
