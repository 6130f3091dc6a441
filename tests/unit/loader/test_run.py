"""
Loader children that fail in different ways.

The children are real processes: the loader runs ``sys.executable``, and the fixture
loader_child sets sys.executable to a shell script.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.bpf.samples import Call, Lost
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run


Child = Callable[[str], None]


def has_child() -> bool:
    """Return whether this process has a child, running or not waited for."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def open_fds() -> dict[str, str]:
    """Return this process's descriptors and their files."""
    found = {}
    for fd in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            found[fd.name] = str(fd.readlink())
    return found


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    """Check that no test leaves a child or a descriptor."""
    assert not has_child()
    fds = open_fds()
    yield
    assert not has_child()
    assert fds == open_fds()


def message(*, timeout: float = 5.0) -> str:
    with pytest.raises(LoadError) as caught:
        run.load("kprobe", 8, 8, timeout=timeout)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_child_that_exits(loader_child: Child) -> None:
    """The error has the exit status and the last line of stderr."""
    loader_child("echo first >&2; echo 'the last words' >&2; echo >&2; exit 3")
    assert "exited with status 3; its last output: the last words." in message()


def test_child_that_prints_to_stdout(loader_child: Child) -> None:
    """The last line may come from stdout."""
    loader_child("echo 'on stdout'; exit 1")
    assert "exited with status 1; its last output: on stdout." in message()


def test_child_that_prints_nothing(loader_child: Child) -> None:
    """The error says that the child printed nothing."""
    loader_child("exit 4")
    assert "exited with status 4 and printed nothing." in message()


def test_child_that_succeeds_without_a_message(loader_child: Child) -> None:
    """A child that exits with 0 and sent no programs has failed too."""
    loader_child("exit 0")
    assert "exited with status 0 and printed nothing." in message()


def test_child_that_prints_other_bytes(loader_child: Child) -> None:
    """Output that is not UTF-8 is shown with replacement characters."""
    loader_child(r"printf 'bad \377 bytes' >&2; exit 1")
    assert "its last output: bad \ufffd bytes." in message()


@pytest.mark.parametrize("name", ["KILL", "SEGV", "TERM"])
def test_child_that_is_killed(loader_child: Child, name: str) -> None:
    """The error has the name of the signal. The OOM killer sends KILL."""
    loader_child(f"echo compiling >&2; kill -{name} $$")
    text = message()
    assert f"was killed by SIG{name}; its last output: compiling." in text
    assert "150 MB of memory" in text


def test_child_that_is_killed_by_a_nameless_signal(loader_child: Child) -> None:
    """The error has the number of a real-time signal, which has no name in Python."""
    loader_child("kill -40 $$")
    assert "40" in message()


def test_child_that_hangs(loader_child: Child) -> None:
    """A child that takes too long is killed, and the error says what to do."""
    loader_child("exec sleep 60")
    started = time.monotonic()
    text = message(timeout=0.3)
    assert time.monotonic() - started < 2
    assert text.startswith("loading the BPF programs took more than 0.3 s")


def test_child_that_hangs_after_closing_its_socket(loader_child: Child) -> None:
    """A child that closes its socket and does not exit is killed too."""
    script = "import os, sys, time; os.close(int(sys.argv[1])); time.sleep(60)"
    loader_child(f'exec {sys.executable} -c "{script}" $3')
    assert "took more than 0.3 s" in message(timeout=0.3)


def test_child_that_refuses(loader_child: Child) -> None:
    """An error that the child sent is raised unchanged."""
    script = (
        "import socket, sys; from fanotify_exporter import errors; "
        "from fanotify_exporter.loader import handover; "
        "handover.send_error(socket.socket(fileno=int(sys.argv[1])), "
        "errors.LoadError('no bcc', 'why'))"
    )
    loader_child(f'{sys.executable} -c "{script}" $3; exit 1')
    assert "no bcc. why" == message()


def test_child_that_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program that cannot be started is an error of one line, not a traceback."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert "No such file" in message()


def test_arguments_of_the_child(loader_child: Child, tmp_path: Path) -> None:
    """The child is an isolated Python with the methods of the hook and the settings."""
    loader_child(f"echo $1 $2 - $4 $5 $6 > {tmp_path}/arguments")
    with pytest.raises(LoadError):
        run.load("fentry", 64, 32, syscalls=("fanotify_mark", "inotify_init"))
    methods = "fexit,fexit_read,fexit_wrappers"
    told = (tmp_path / "arguments").read_text()
    start = f"-I {run.CHILD} - calls {methods} "
    assert told.startswith(start)
    assert {
        "max_entries": 64,
        "max_user_entries": 32,
        "container": False,
        "syscalls": ["fanotify_mark", "inotify_init"],
    } == json.loads(told.removeprefix(start))


@pytest.mark.parametrize(
    ("hook", "methods"),
    [
        ("fentry", "fentry_typed,fentry_read,fentry_lockdown"),
        ("fentry_read", "fentry_read"),
        ("kprobe", "kprobe"),
    ],
)
def test_arguments_for_permission_programs(
    hook: str, methods: str, loader_child: Child, tmp_path: Path
) -> None:
    """The child is told the set, the methods of the hook, and the settings."""
    loader_child(f"echo $4 $5 $6 > {tmp_path}/arguments")
    with pytest.raises(LoadError):
        run.load_permission(hook, container=True)
    told = (tmp_path / "arguments").read_text()
    assert f'permission {methods} {{"container": true}}\n' == told


def test_arguments_for_programs_of_events(loader_child: Child, tmp_path: Path) -> None:
    """The child is told the set, the methods of the hook, and the settings."""
    loader_child(f"echo $4 $5 $6 > {tmp_path}/arguments")
    with pytest.raises(LoadError):
        run.load_events("fentry")
    told = (tmp_path / "arguments").read_text()
    assert 'events fentry_typed,fentry_read {"container": false}\n' == told


def test_hook_without_programs_of_events() -> None:
    """A hook by which no program sees events is an error, and no child runs."""
    with pytest.raises(LoadError, match="sees events by the hook raw_tracepoint: they"):
        run.load_events("raw_tracepoint")


def test_hook_without_permission_programs() -> None:
    """A hook that no permission program has is an error, and no child runs."""
    with pytest.raises(LoadError, match="by the hook tracepoint: they need"):
        run.load_permission("tracepoint")


def test_child_inherits_its_socket_only(loader_child: Child, tmp_path: Path) -> None:
    """The child has its socket and no other descriptor, not even an inheritable one."""
    look = "import os; print(*filter(os.path.exists, map(str, os.listdir())))"
    python = f'{sys.executable} -c "{look}" > {tmp_path}/fds'
    loader_child(f"cd /proc/self/fd; echo $3 > {tmp_path}/channel; exec {python}")
    ours = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(ours, True)  # noqa: FBT003
    message()
    os.close(ours)
    channel = (tmp_path / "channel").read_text().strip()
    assert {"0", "1", "2", channel} == set((tmp_path / "fds").read_text().split())


@pytest.fixture
def _line_on_stdin() -> Iterator[None]:
    """Set this process's stdin to a file with a line of text."""
    stdin = os.dup(0)
    something = os.memfd_create("stdin")
    os.pwrite(something, b"ours\n", 0)
    os.dup2(something, 0)
    os.close(something)
    yield
    os.dup2(stdin, 0)
    os.close(stdin)


@pytest.mark.usefixtures("_line_on_stdin")
def test_stdin_of_the_child(loader_child: Child, tmp_path: Path) -> None:
    """The child's stdin is empty, and not the stdin of this process."""
    loader_child(f"cat > {tmp_path}/input; exit 1")
    message()
    assert b"" == (tmp_path / "input").read_bytes()


@pytest.mark.usefixtures("handing_over_child")
def test_child_that_hands_over() -> None:
    """The programs that the child sent can be read after the child has exited."""
    loaded = run.load("auto", 1, 1, timeout=10.0)
    assert isinstance(loaded, LoadedCalls)
    snapshot = CallMaps(loaded).read()
    for fd in loaded.fds.values():
        os.close(fd)
    (call,) = snapshot.calls["fanotify_mark"]
    assert Call("fatrace", 0x11, 0x20, 0, 23, call.created) == call
    assert Lost("fanotify_mark", "no_entry", 7) in snapshot.lost
