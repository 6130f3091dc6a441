"""The compiled programs: the listener and the opener."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.harness.compiled import NATIVE, program


# Seconds after which a program ends itself. The tests of one listener are shorter,
# also in an emulated guest.
WATCHDOG_SECONDS = 180
# Seconds after which the test ends a program that did not end itself.
GRACE_SECONDS = 10

LISTENER, OPENER = "listener", "opener"


def sources(name: str) -> tuple[Path, ...]:
    """Return the parts of the program *name*, in the order of the joined source."""
    parts = ("common", "events", name) if name == LISTENER else ("common", name)
    return tuple(Path(__file__).with_name(f"{part}.c") for part in parts)


def compile_program(
    name: str,
    machine: str = NATIVE,
    compiler: Sequence[str] | None = None,
    root: Path = Path("/"),
) -> Path:
    """Return the program *name*, LISTENER or OPENER, as compiled.program() does."""
    return program(machine, compiler, root, sources=sources(name))


@contextmanager
def watched(
    name: str, *arguments: str, seconds: int = WATCHDOG_SECONDS
) -> Iterator[subprocess.Popen[str]]:
    """
    Run the program *name* with *arguments* and the time of its watchdog.

    The program is killed at the end of the block. A second watchdog, in this process,
    kills the program if its own did not.
    """
    command = [str(compile_program(name)), *arguments, str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        watchdog = threading.Timer(seconds + GRACE_SECONDS, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()
