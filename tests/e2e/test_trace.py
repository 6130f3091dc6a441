"""The installed ``trace``: single calls with all their arguments."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tools.harness import caller, privileges
from tools.harness.bpf_objects import held_by, still_there
from tools.harness.caller import Calls
from tools.harness.listeners import listening
from tools.harness.processes import DEADLINE_SECONDS, environment, poll
from tools.harness.serving import LISTEN, SCRIPT, serving
from tools.harness.tracer_command import Tracing, tracing


ADD, FILESYSTEM, OPEN, ONDIR = 0x1, 0x100, 0x20, 0x4000_0000
COMM = f"trace-{os.getpid()}"
FAILING = Calls(COMM.encode(), ADD | FILESYSTEM, OPEN | ONDIR, 23, errno.EBADF)
CALL = (
    "fanotify_mark(-1, FAN_MARK_ADD|FAN_MARK_FILESYSTEM, FAN_OPEN|FAN_ONDIR, "
    'AT_FDCWD, ".") = -1 EBADF (Bad file descriptor)'
)


def wait_for(running: Tracing, lines: int) -> list[str]:
    return poll(running.lines, lambda found: len(found) >= lines)


def test_text(tmp_path: Path) -> None:
    """Each call is a line, told at once; the end says that none was lost."""
    with tracing(tmp_path, f"--comm={COMM}") as running:
        caller.make(tmp_path, FAILING)
        lines = wait_for(running, 23)
        assert "fanotify-exporter: 23 calls shown; lost: none" == running.end()
    assert 23 == len(lines)
    for line in lines:
        caller_part = rf"\d\d:\d\d:\d\d\.\d{{6}} {COMM}\[\d+\] +uid=0 +"
        begin = re.match(caller_part, line)
        assert begin, line
        assert CALL == line[begin.end() :]
    assert sorted(lines) == lines


def test_json(tmp_path: Path) -> None:
    """Each call is an object; the times are those of the calls."""
    before = time.time()
    with tracing(tmp_path, "--json", "--syscall=fanotify_mark") as running:
        caller.make(tmp_path, FAILING)
        calls = poll(lambda: running.calls(COMM), lambda found: len(found) >= 23)
        running.end(signal.SIGTERM)
    assert 23 == len(calls)
    for call in calls:
        moment = call.pop("time")
        assert before - 1 < time.mktime(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", moment)
        assert call.pop("pid") == call.pop("tid")
        assert call == {
            "uid": 0,
            "comm": COMM,
            "syscall": "fanotify_mark",
            "fanotify_fd": -1,
            "flags": "FAN_MARK_ADD|FAN_MARK_FILESYSTEM",
            "flags_value": 0x101,
            "mask": "FAN_OPEN|FAN_ONDIR",
            "mask_value": 0x4000_0020,
            "dirfd": -100,
            "pathname": ".",
            "result": -1,
            "errno": "EBADF",
        }


def test_count(tmp_path: Path) -> None:
    """With --count the trace ends with status 0 after so many calls."""
    with tracing(tmp_path, "--count=5", f"--comm={COMM}") as running:
        caller.make(tmp_path, FAILING)
        assert 0 == running.process.wait(DEADLINE_SECONDS)
        assert 5 == len(running.lines())


def test_duration(tmp_path: Path) -> None:
    """With --duration the trace ends with status 0 without a call."""
    with tracing(tmp_path, "--duration=1s", f"--comm={COMM}") as running:
        assert 0 == running.process.wait(DEADLINE_SECONDS)
        assert [] == running.lines()
        assert "0 calls shown; lost: none" in running.errors.read_text()


def test_beside_a_serving_exporter(tmp_path: Path) -> None:
    """The counts of a serving exporter stay exact."""
    with (
        serving(tmp_path / "log", LISTEN) as exporter,
        tracing(tmp_path, f"--comm={COMM}") as running,
    ):
        caller.make(tmp_path, FAILING)
        assert 23 == len(wait_for(running, 23))
        assert 23 == sum(exporter.calls(COMM, 23).values())
        running.end()
        caller.make(tmp_path, FAILING)
        assert 46 == sum(exporter.calls(COMM, 46).values())


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name
)
def test_programs_are_gone(tmp_path: Path, number: signal.Signals) -> None:
    """After a signal, no program and no map is left."""
    with tracing(tmp_path) as running:
        held = held_by(running.process.pid)
        assert held
        running.process.send_signal(number)
        status = running.process.wait(DEADLINE_SECONDS)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert set() == poll(lambda: still_there(held), lambda left: not left)


def test_reader_that_is_gone(tmp_path: Path) -> None:
    """A reader that goes ends the trace with status 0, and no error is printed."""
    reader, writer = os.pipe()
    with tracing(tmp_path, f"--comm={COMM}", stdout=writer) as running:
        os.close(writer)
        os.close(reader)
        caller.make(tmp_path, FAILING)
        assert 0 == running.process.wait(DEADLINE_SECONDS)
        errors = running.errors.read_text().splitlines()
    assert all(line.startswith("fanotify-exporter: ") for line in errors)


def test_reader_that_takes_nothing(tmp_path: Path) -> None:
    """A stop signal ends the trace; the calls that nobody took are told as lost."""
    reader, writer = os.pipe()
    many = Calls(FAILING.comm, FAILING.flags, FAILING.mask, 20_000, errno.EBADF)
    with tracing(tmp_path, f"--comm={COMM}", stdout=writer) as running:
        os.close(writer)
        caller.make(tmp_path, many)
        last = running.end(signal.SIGTERM)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    shown = re.match(r"fanotify-exporter: (\d+) calls shown; lost: ", last)
    assert shown
    assert len(lines) == int(shown[1])
    lost = sum(int(number) for number in re.findall(r"(\d+) \(", last))
    assert lost + len(lines) == 20_000
    assert "(the buffer was full)" in last
    assert "(the reader did not take them)" in last


def test_privileges(tmp_path: Path) -> None:
    """The tracing process has no capability, or two with --resolve, and a filter."""
    for flags, capabilities in (((), 0), (("--resolve",), 1 << 2 | 1 << 19)):
        with tracing(tmp_path, *flags) as running:
            status = Path(f"/proc/{running.process.pid}/status").read_text()
        found = dict(re.findall(r"^(\w+):\s+(\S+)$", status, re.MULTILINE))
        assert capabilities == int(found["CapEff"], 16) == int(found["CapPrm"], 16)
        assert ("2", "1") == (found["Seccomp"], found["NoNewPrivs"])


def test_resolve(tmp_path: Path) -> None:
    """With --resolve the group, the directory and the working directory are shown."""
    code = f"""
        group, folder = init(), os.open({str(tmp_path)!r}, os.O_RDONLY)
        os.chdir("/usr")
        libc.fanotify_mark(group, 0, ctypes.c_uint64(OPEN), -100, None)
        libc.fanotify_mark(group, 0, ctypes.c_uint64(OPEN), folder, None)
        say(group, folder)
    """
    with (
        tracing(tmp_path, "--json", "--resolve", "--syscall=fanotify_mark") as running,
        listening(code) as program,
    ):
        first, second = poll(
            lambda: running.calls(program.comm), lambda found: len(found) == 2
        )
    group, folder = program.said
    assert (group, "anon_inode:[fanotify]") == (
        first["fanotify_fd"],
        first["fanotify_fd_path"],
    )
    assert "/usr" == first["dirfd_path"]
    assert (folder, str(tmp_path)) == (second["dirfd"], second["dirfd_path"])


def test_container(tmp_path: Path) -> None:
    """With --container each call has the cgroup of its caller."""
    with tracing(tmp_path, "--json", "--container", f"--comm={COMM}") as running:
        caller.make(tmp_path, FAILING)
        calls = poll(lambda: running.calls(COMM), lambda found: len(found) == 23)
    assert {"cgroup", "container_id"} < set(calls[0])


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--count=0", "argument --count: '0' is not a number from 1: use for example"),
        ("--duration=0", "argument --duration: '0' is not a time from 1s to 24h"),
        ("--comm=sixteen-bytes-ab", "is not from 1 to 15 bytes long"),
        ("--uid=nobody-here", "argument --uid: 'nobody-here' is no user here"),
        ("--errno=ENOTHING", "argument --errno: 'ENOTHING' is no error"),
        ("--syscall=open", "argument --syscall: 'open' is not one of fanotify_mark"),
        ("--comn=x", "unknown flag --comn (did you mean --comm?)"),
        ("--json=yes", "--json takes no value: use --json"),
        ("surplus", "unrecognized arguments: surplus"),
    ],
)
def test_usage_errors(flag: str, said: str) -> None:
    """A flag that cannot be used is told in one line, with status 2."""
    ended = run(flag)
    assert (2, "") == (ended.returncode, ended.stdout)
    assert 1 == ended.stderr.count("\n")
    assert said in ended.stderr
    assert ended.stderr.endswith("see fanotify-exporter trace --help\n")


def test_without_privileges() -> None:
    """An ordinary user is told in one line what is needed, with status 1."""
    ended = run(prefix=privileges.nobody())
    assert (1, "") == (ended.returncode, ended.stdout)
    assert re.fullmatch(r"fanotify-exporter: cannot attach to [^\n]+\n", ended.stderr)


def run(
    *arguments: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, SCRIPT, "trace", *arguments],
        env=environment(None),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
