"""
Fixtures of the kernel layer: probes attached for real, callers that count.

Every rung of the ladder is tried; ``--hook`` leaves only one hook's. A rung that
this kernel refuses is skipped with the kernel's words, and the run says at its
end which rungs it really exercised. In CI a run that exercised none has failed.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from exporter import loader
from exporter.errors import LoadError
from exporter.handover import Loaded
from exporter.hooks import LADDER
from exporter.maps import Call, Maps, Snapshot


Key = tuple[str, int, int, int]
"""comm, flags, mask, errno."""


class Load(Protocol):
    """Attach with a map of so many entries, and count one probe's calls."""

    def __call__(
        self, max_entries: int, probe: str = ..., *, container: bool = ...
    ) -> Counts: ...


REFUSED = "cannot attach"
LOAD_SECONDS = 120.0
"""An emulated guest on a busy machine is slow."""

CACHE = Path(__file__).parents[2] / ".cache/caller"

exercised: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hook", help="test only this hook's rungs, or 'auto'")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rung" in metafunc.fixturenames:
        only = metafunc.config.getoption("--hook")
        rungs = [rung.name for rung in LADDER if only in (None, rung.hook)]
        metafunc.parametrize(
            "rung", ["auto"] if only == "auto" else rungs, scope="session"
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    hooks = ", ".join(f"{hook} ({n} tests)" for hook, n in sorted(exercised.items()))
    terminalreporter.write_line(f"hooks exercised: {hooks or 'none'}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") == "true" and not exercised:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class Counts:
    """Attached probes, and what they counted since this object was made."""

    def __init__(self, loaded: Loaded, probe: str = "fanotify_mark") -> None:
        self._probe = probe
        hooks = [each.hook for each in loaded.probes if each.name == probe]
        exercised[" + ".join(hooks)] += 1
        self._loaded = loaded
        self._maps = Maps(loaded)
        self._before = keyed(self.read().calls[self._probe])
        self._lost_before = self._lost()

    @property
    def compat(self) -> bool:
        """Whether this hook sees 32-bit compat calls."""
        return self._loaded.compat

    @property
    def misses_unseen(self) -> bool:
        """Whether this kernel does not tell what a kretprobe missed."""
        release = tuple(map(int, os.uname().release.split(".")[:2]))
        return self._loaded.hook == "kprobe" and release < (6, 7)

    def read(self) -> Snapshot:
        return self._maps.read()

    def creators_since(self, when: float) -> frozenset[int]:
        return self._maps.group_creators(when)

    def of(self, *comms: str) -> Counter[Key]:
        """Return the new calls of *comms*, in the oracles' form."""
        new = keyed(self.read().calls[self._probe]) - self._before
        return Counter({key: n for key, n in new.items() if key[0] in comms})

    def agree(self, made: Counter[Key], *comms: str) -> None:
        """
        Assert that of *made* each call was counted, or is said to be lost.

        A kernel that preempts itself skips programs where tasks compete, and says
        how often; on any other nothing is lost, so each call is under its key.
        """
        counted = self.of(*comms)
        lost = self.lost()

        assert counted <= made
        if self._loaded.hook == "raw_tracepoint":  # skips of any call are counted
            assert made.total() <= counted.total() + lost
        else:
            assert made.total() == counted.total() + lost

    def lost(self) -> int:
        """Return how many calls the kernel says that it let no program see."""
        return self._lost() - self._lost_before

    def _lost(self) -> int:
        return sum(lost.count for lost in self.read().lost if lost.probe == self._probe)


def keyed(calls: Iterable[Call]) -> Counter[Key]:
    """Return *calls* in the oracles' form."""
    counted: Counter[Key] = Counter()
    for call in calls:
        counted[call.comm, call.flags, call.mask, call.errno] += call.count
    return counted


@contextmanager
def attached(
    rung: str, max_entries: int, *, container: bool = False
) -> Iterator[Loaded]:
    """Attach by *rung*, or skip with the kernel's words; detach at the end."""
    try:
        loaded = loader.load(
            rung, max_entries, container=container, timeout=LOAD_SECONDS
        )
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(str(error))
    yield loaded
    for fd in loaded.fds.values():
        os.close(fd)


@pytest.fixture(scope="session")
def shared_probes(rung: str) -> Iterator[Loaded]:
    """Probes for all tests that need no map of their own: compiling takes time."""
    with attached(rung, max_entries=16384) as loaded:
        yield loaded


@pytest.fixture
def counts(shared_probes: Loaded) -> Counts:
    """Count from now on, in a map that no test fills."""
    return Counts(shared_probes)


@pytest.fixture
def fanotify_groups(shared_probes: Loaded) -> Counts:
    """Count fanotify_init(2) from now on."""
    return Counts(shared_probes, "fanotify_init")


@pytest.fixture
def inotify_groups(shared_probes: Loaded) -> Counts:
    """Count inotify_init(2) and inotify_init1(2) from now on."""
    return Counts(shared_probes, "inotify_init")


@pytest.fixture
def load(rung: str) -> Iterator[Load]:
    """Attach once more, with a map size of the test's own."""
    with ExitStack() as stack:

        def attach(
            max_entries: int, probe: str = "fanotify_mark", *, container: bool = False
        ) -> Counts:
            loaded = attached(rung, max_entries, container=container)
            return Counts(stack.enter_context(loaded), probe)

        yield attach


@dataclass(frozen=True)
class Caller:
    """The program of caller.c, and a directory for it to mark."""

    program: Path
    folder: Path

    def command(
        self,
        comm: str,
        threads: int = 1,
        abi: str = "native",
        syscall: str = "fanotify_mark",
    ) -> list[str]:
        marked = str(self.folder)
        return [str(self.program), comm, str(threads), marked, abi, syscall]

    def run(
        self,
        plan: Iterable[tuple[int, int, int]],
        comm: str,
        *,
        threads: int = 1,
        user: int = 0,
        abi: str = "native",
        syscall: str = "fanotify_mark",
        wrap: Sequence[str] = (),
    ) -> Counter[Key]:
        """Make *plan*'s (flags, mask, count) calls; return what the program saw."""
        output = subprocess.run(
            [*wrap, *self.command(comm, threads, abi, syscall)],
            input="\n".join(f"{flags:x} {mask:x} {n}" for flags, mask, n in plan),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            user=user,
            group=user,
        ).stdout
        calls: Counter[Key] = Counter()
        for line in output.splitlines():
            name, flags, mask, errno, count = line.rsplit(maxsplit=4)
            calls[name, int(flags), int(mask), int(errno)] += int(count)
        return calls


@pytest.fixture(scope="session")
def caller() -> Iterator[Caller]:
    """caller.c, compiled."""
    with compiled_caller() as caller:
        yield caller


@pytest.fixture(scope="session")
def caller_32() -> Iterator[Caller]:
    """caller.c as a 32-bit program, static, so that it needs no 32-bit libraries."""
    with compiled_caller("-m32", "-static") as caller:
        yield caller


@contextmanager
def compiled_caller(*options: str) -> Iterator[Caller]:
    """
    Put caller.c's program where every user may run it: pytest's folders are 0700.

    What was compiled before is used again; in an emulated guest gcc takes long.
    """
    source = Path(__file__).with_name("caller.c")
    command = ["gcc", "-O2", "-Wall", "-Werror", "-pthread", *options]
    digest = sha256(source.read_bytes() + repr(command).encode()).hexdigest()[:16]
    built = CACHE / f"{os.uname().machine}-{digest}"
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program, marked = Path(folder, "caller"), Path(folder, "marked")
        marked.mkdir(mode=0o755)
        if built.exists():
            copy(built, program)
        else:
            subprocess.run([*command, "-o", program, source], check=True)
            CACHE.mkdir(parents=True, exist_ok=True)
            copy(program, built)
        yield Caller(program, marked)
