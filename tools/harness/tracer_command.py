"""Run the installed ``fanotify-exporter trace``."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.harness.processes import DEADLINE_SECONDS, environment, poll
from tools.harness.serving import SCRIPT


@dataclass(frozen=True, slots=True)
class Tracing:
    """
    A running ``trace``, and the files with what it prints.

    Attributes:
        output: what is printed on standard output.
        errors: what is printed on standard error.
    """

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def lines(self) -> list[str]:
        """Return the lines of calls so far."""
        return self.output.read_text().splitlines()

    def calls(self, comm: str) -> list[dict[str, Any]]:
        """Return the objects of the calls of *comm* so far."""
        objects = map(json.loads, self.lines())
        return [each for each in objects if each["comm"] == comm]

    def end(self, number: signal.Signals = signal.SIGINT) -> str:
        """Send a signal; assert status 0, and return the last line of errors."""
        self.process.send_signal(number)
        assert 0 == self.process.wait(DEADLINE_SECONDS)
        return self.errors.read_text().splitlines()[-1]


@contextmanager
def tracing(
    folder: Path,
    *arguments: str,
    prefix: Sequence[str | Path] = (),
    stdout: int | None = None,
) -> Iterator[Tracing]:
    """
    Start ``trace`` and wait until its programs are attached; kill it at the end.

    Args:
        folder: place of the files with what it prints.
        stdout: descriptor for its standard output, instead of a file.
    """
    output, errors = folder / "trace.out", folder / "trace.err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [*prefix, SCRIPT, "trace", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out if stdout is None else stdout,
            stderr=err,
            env=environment(None),
        )
    try:
        poll(
            errors.read_text,
            lambda text: "tracing by" in text or process.poll() is not None,
        )
        assert "tracing by" in errors.read_text(), errors.read_text()
        yield Tracing(process, output, errors)
    finally:
        process.kill()
        process.wait()
        print(f"--- trace.err\n{errors.read_text()[-5000:]}")
