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
from tools.harness.cgroup2 import cgroup, hierarchy
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


@pytest.mark.parametrize("calls", [0, 23])
def test_reader_that_is_gone(tmp_path: Path, calls: int) -> None:
    """A reader that goes ends the trace with status 0, also without a call."""
    reader, writer = os.pipe()
    with tracing(tmp_path, f"--comm={COMM}", stdout=writer) as running:
        os.close(writer)
        os.close(reader)
        if calls:
            caller.make(tmp_path, FAILING)
        assert 0 == running.process.wait(DEADLINE_SECONDS)
        errors = running.errors.read_text().splitlines()
    assert "fanotify-exporter: 0 calls shown; lost: none" == errors[-1]
    assert 2 == len(errors)


@pytest.mark.parametrize("ends_by", ["signal", "duration"])
def test_reader_that_takes_nothing(tmp_path: Path, ends_by: str) -> None:
    """The trace ends; the calls that nobody took are told as lost, some before."""
    reader, writer = os.pipe()
    many = Calls(FAILING.comm, FAILING.flags, FAILING.mask, 20_000, errno.EBADF)
    flags = ["--duration=5s"] if ends_by == "duration" else []
    with tracing(tmp_path, f"--comm={COMM}", *flags, stdout=writer) as running:
        os.close(writer)
        caller.make(tmp_path, many)
        early = poll(running.errors.read_text, lambda text: "so far" in text)
        assert re.search(r"lost calls so far: \d+ \(the buffer was full\)\n", early)
        if ends_by == "signal":
            running.process.send_signal(signal.SIGTERM)
        assert 0 == running.process.wait(DEADLINE_SECONDS)
        last = running.errors.read_text().splitlines()[-1]
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    shown = re.match(r"fanotify-exporter: (\d+) calls shown; lost: ", last)
    assert shown
    assert len(lines) == int(shown[1])
    lost = sum(int(number) for number in re.findall(r"(\d+) \(", last))
    assert lost + len(lines) == 20_000
    assert "(not shown within a second of the end)" in last


def test_reader_of_both_that_takes_nothing(tmp_path: Path) -> None:
    """The trace also ends if its messages go to the reader that takes nothing."""
    reader, writer = os.pipe()
    many = Calls(FAILING.comm, FAILING.flags, FAILING.mask, 20_000, errno.EBADF)
    command = [str(SCRIPT), "trace", f"--comm={COMM}"]
    with subprocess.Popen(command, stdout=writer, stderr=writer) as process:
        os.close(writer)
        assert b"tracing by" in os.read(reader, 1000)
        caller.make(tmp_path, many)
        time.sleep(1.5)  # a tick has losses to tell
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(DEADLINE_SECONDS)
    os.close(reader)


def test_flood(tmp_path: Path) -> None:
    """A trace ends although calls come faster than it can show them."""
    code = """
        group = init()
        say()
        while True:
            libc.fanotify_mark(-1, 0, ctypes.c_uint64(OPEN), -100, None)
    """
    with listening(code) as program, tracing(tmp_path) as running:
        assert program.process.stdin
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        wait_for(running, 10_000)
        last = running.end()
    assert " calls shown; lost: " in last


def test_full_disk(tmp_path: Path) -> None:
    """A line that cannot be written is told with status 1."""
    with (
        Path("/dev/full").open("wb") as full,
        tracing(tmp_path, f"--comm={COMM}", stdout=full.fileno()) as running,
    ):
        caller.make(tmp_path, FAILING)
        assert 1 == running.process.wait(DEADLINE_SECONDS)
        last = running.errors.read_text().splitlines()[-1]
    assert last == (
        "fanotify-exporter: cannot write to standard output: No space left on device. "
        "Make room, or write to another place"
    )


@pytest.mark.parametrize("prefix", [(), ("nohup",)])
def test_hangup(tmp_path: Path, prefix: tuple[str, ...]) -> None:
    """SIGHUP ends a trace, unless nohup started it."""
    with tracing(tmp_path, f"--comm={COMM}", prefix=prefix) as running:
        running.process.send_signal(signal.SIGHUP)
        if not prefix:
            assert 0 == running.process.wait(DEADLINE_SECONDS)
            return
        caller.make(tmp_path, FAILING)
        assert 23 == len(wait_for(running, 23))
        running.end()


def test_terminal(tmp_path: Path) -> None:
    """On a terminal a line has colours, and hostile bytes stay escaped."""
    leader, terminal = os.openpty()
    code = r"""
        name("\x1b[2J")
        libc.fanotify_mark(-1, 0, ctypes.c_uint64(OPEN), -100, b"\x1b]0;x\x07\xff")
    """
    with tracing(tmp_path, "--comm=\x1b[2J", stdout=terminal) as running:
        os.close(terminal)
        with listening(code):
            text = os.read(leader, 4096).decode()
        os.close(leader)
        assert 0 == running.process.wait(DEADLINE_SECONDS)
    begin, call = text.split("\x1b[1mfanotify_mark\x1b[0m")
    assert " \\x1b[2J[" in begin
    assert 'AT_FDCWD, "\\x1b]0;x\\x07\\xff") = \x1b[31m-1 ' in call
    assert 4 == text.count("\x1b")


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
    """With --container the first call from a new cgroup has the cgroup's name."""
    identifier = "0123456789abcdef" * 4
    with (
        hierarchy(tmp_path) as root,
        tracing(tmp_path, "--json", "--container", f"--comm={COMM}") as running,
        cgroup(root / f"cri-containerd-{identifier}.scope") as container,
    ):
        join = f'echo $$ > {container}/cgroup.procs; exec "$@"'
        caller.make(tmp_path, FAILING, prefix=("sh", "-c", join, "sh"))
        calls = poll(lambda: running.calls(COMM), lambda found: len(found) == 23)
    names = {(call["cgroup"], call["container_id"]) for call in calls}
    assert {(f"/{container.name}", identifier)} == names


def test_resolve_in_a_container() -> None:
    """Where /proc has other process ids than the kernel's, --resolve is refused."""
    ended = run("--resolve", prefix=("unshare", "--pid", "--fork", "--mount-proc"))
    assert (2, "") == (ended.returncode, ended.stdout)
    said = "fanotify-exporter: --resolve needs the host's pid namespace"
    assert ended.stderr.startswith(said)


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
