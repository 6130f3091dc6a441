"""Start the installed exporter on loopback, scrape it and stop it."""

from __future__ import annotations

import http.client
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tools.harness.processes import DEADLINE_SECONDS, Running, poll, running


SCRIPT = Path(sys.executable).with_name("fanotify-exporter")
LISTEN = "--web.listen-address=127.0.0.1:0"

CALL_LABELS = ("comm", "action", "mark_type", "flags", "mask")
ERROR_LABELS = (*CALL_LABELS, "errno")

# Values by label values.
Counts = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Exporter:
    """A running exporter and the addresses it listens on."""

    process: Running
    addresses: tuple[str, ...]

    @property
    def pid(self) -> int:
        return self.process.pid

    def later_lines(self) -> list[str]:
        """
        Return the log lines between the lines "listening" and "stopping".

        Warnings of users at a limit are left out: callers of other tests may be there.
        """
        lines = self.process.lines()
        start = next(n for n, line in enumerate(lines) if "listening" in line)
        return [
            line
            for line in lines[start + 1 :]
            if not re.search(r" msg=(stopping\b|stopped\b|\"a user reached)", line)
        ]

    def get(
        self,
        path: str = "/metrics",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request to the first address."""
        return request(self.addresses[0], path, method=method, headers=headers)

    def samples(self, name: str) -> list[Sample]:
        """Scrape, and return the samples with this *name*."""
        return samples(self.get().body.decode(), name)

    def calls(self, comm: str, total: int) -> Counts:
        """
        Scrape until *comm* has at least *total* calls, and return all its calls.

        Another process may still make the calls.
        """
        return poll(
            lambda: counts(
                sample
                for sample in self.samples("fanotify_mark_calls_total")
                if sample.labels["comm"] == comm
            ),
            lambda got: sum(got.values()) >= total,
        )

    def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit status and the seconds until the exit."""
        sent = time.monotonic()
        self.process.process.send_signal(number)
        status = self.process.process.wait(DEADLINE_SECONDS)
        return status, time.monotonic() - sent


def request(
    address: str,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Send one request over a new connection."""
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_SECONDS)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def samples(text: str, name: str) -> list[Sample]:
    """Return the samples with this *name* in an exposition."""
    return [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def counts(found: Iterator[Sample]) -> Counts:
    """Return values by label values, in the order of ERROR_LABELS."""
    order = {name: place for place, name in enumerate(ERROR_LABELS)}
    return {
        tuple(
            each.labels[name] for name in sorted(each.labels, key=order.__getitem__)
        ): (each.value)
        for each in found
    }


@contextmanager
def serving(
    log: Path,
    *arguments: str,
    script: Path = SCRIPT,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Exporter]:
    """
    Start an exporter and wait until it logs its addresses.

    Args:
        log: file for its output.
        arguments: flags. The default is LISTEN: a free port of loopback.
        script: console script of the installation to run.
        prefix: command that runs the exporter, such as setpriv. The command must exec,
            so that the exporter has the pid of the process.
        env: variables to add to the environment.
        cwd: working directory.
        pass_fds: descriptors to inherit.
    """
    command: list[str | Path] = [*prefix, script, *(arguments or (LISTEN,))]
    with running(command, log, env=env, cwd=cwd, pass_fds=pass_fds) as process:
        line = process.line("listening")
        found = re.search(r'\baddress(?:=|": )"?([^\s"]+)', line)
        assert found, line
        yield Exporter(process, tuple(found[1].split(",")))
