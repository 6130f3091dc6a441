"""Debian's Prometheus, scraping one target on loopback each second."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.e2e.processes import poll, running
from tests.e2e.requirements import need
from tests.e2e.serving import Counts, request


JOB = "fanotify"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus that answers queries."""

    address: str

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of an instant query."""
        answer = request(self.address, f"/api/v1/query?query={quote(expression)}")
        result = json.loads(answer.body)["data"]["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def last_error(self) -> str:
        """Return why the last scrape failed, "" if it did not."""
        answer = request(self.address, "/api/v1/targets?state=active")
        (target,) = json.loads(answer.body)["data"]["activeTargets"]
        return str(target["lastError"])

    def scraped_after(self, moment: float) -> None:
        """Wait for a scrape that began after *moment*, in Unix time."""
        last = poll(
            lambda: self.query(f'timestamp(up{{job="{JOB}"}})'),
            lambda found: found and found[0][1] > moment,
        )
        assert last
        assert last[0][1] > moment

    def counts(self, selector: str, labels: tuple[str, ...]) -> Counts:
        """
        Return values by the values of *labels*, in that order.

        The series must have these labels, and Prometheus' own, and no others.
        """
        found = {}
        for metric, value in self.query(selector):
            assert set(metric) == {*labels, "__name__", "job", "instance"}
            found[tuple(metric[name] for name in labels)] = value
        return found


@contextmanager
def scraping(target: str, folder: Path, **settings: object) -> Iterator[Prometheus]:
    """
    Start a Prometheus with its data in *folder* that scrapes *target*.

    *settings* are of the scrape configuration; files in them are in *folder*.
    """
    config = folder / "prometheus.json"  # JSON is YAML
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "scrape_configs": [
                    {"job_name": JOB, "static_configs": [{"targets": [target]}]}
                    | settings
                ],
            }
        )
    )
    command = [
        need("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with running(command, folder / "prometheus.log") as process:
        process.line("Server is ready")
        line = process.line("Listening on")
        found = re.search(r"address=(\S+)", line)
        assert found, line
        yield Prometheus(found[1])
