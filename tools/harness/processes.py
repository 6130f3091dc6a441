"""Start, await and end processes; their logs go to the report of the test."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar


# An exporter in an emulated guest took over 30 s to start, on a busy machine. Only a
# test that fails waits that long.
DEADLINE_SECONDS = 90.0
POLL_SECONDS = 0.02

T = TypeVar("T")


def poll(
    read: Callable[[], T],
    until: Callable[[T], object] = bool,
    seconds: float = DEADLINE_SECONDS,
) -> T:
    """
    Call *read* until *until* is true for its result, and return that result.

    After *seconds* return the last result, so that the assertion of the test shows how
    it differs from the expected value.
    """
    end = time.monotonic() + seconds
    while not until(latest := read()) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return latest


@dataclass(frozen=True, slots=True)
class Running:
    """A running process and the file with its output."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[str]:
        """Return the complete lines written so far."""
        text = self.log.read_text(errors="replace")
        return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def line(self, text: str) -> str:
        """Wait for a line that contains *text*, and return the line."""

        def found() -> str:
            return next((line for line in self.lines() if text in line), "")

        poll(found, lambda line: line or self.process.poll() is not None)
        line = found()
        assert line, f"no line with {text!r} in {self.log.name}"
        return line


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Running]:
    """Start *command*; on exit kill the process if it still runs, and print its log."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(env),
            cwd=cwd,
            pass_fds=pass_fds,
        )
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait()
        print(f"--- {log.name}, exit status {process.returncode}")
        print(log.read_text(errors="replace"))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without variables of the exporter, plus *more*."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FANOTIFY_EXPORTER_")
    }
    return inherited | dict(more or {})


def resident_kb(pid: int) -> int:
    """Return the resident memory of process *pid* in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0])
