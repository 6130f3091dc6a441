"""Debian's Prometheus, scraping targets on loopback each second."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tools import CHECKOUT
from tools.harness.faster import FACTOR, faster
from tools.harness.processes import poll, running
from tools.harness.requirements import need
from tools.harness.serving import Counts, request
from tools.harness.shipped import RULE_FILES, SCRAPE_EXAMPLE


JOB = "fanotify"
SETTINGS = CHECKOUT / "prometheus/fanotify-settings.rules.yml"


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
def scraping(target: str, folder: Path, **others: str) -> Iterator[Prometheus]:
    """
    Start a Prometheus with its data in *folder* that scrapes *target*.

    *others* are targets by the name of their job. It has the thresholds of our rules.
    """
    jobs = {JOB: target} | others
    config = {
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        },
        "rule_files": [str(SETTINGS)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]}
            for job, target in jobs.items()
        ],
    }
    with started(config, folder) as prometheus:
        yield prometheus


@contextmanager
def alerting(target: str, alertmanager: str, folder: Path) -> Iterator[Prometheus]:
    """Start one with the shipped files, only faster, and these two addresses."""
    for path in RULE_FILES:
        (folder / path.name).write_text(json.dumps(faster(path)))
    config = faster(SCRAPE_EXAMPLE)
    config["global"]["scrape_interval"] = "1s"  # a timeout cannot be longer
    (scraped,) = config["scrape_configs"][0]["static_configs"]
    (told,) = config["alerting"]["alertmanagers"][0]["static_configs"]
    scraped["targets"], told["targets"] = [target], [alertmanager]
    with started(
        config, folder, f"--query.lookback-delta={300 // FACTOR}s"
    ) as prometheus:
        yield prometheus


@contextmanager
def started(
    config: Mapping[str, object],
    folder: Path,
    *flags: str,
    program: str = "prometheus",
) -> Iterator[Prometheus]:
    """Start a Prometheus with *config* and its data in *folder*."""
    path = folder / "prometheus.json"  # JSON is YAML
    path.write_text(json.dumps(config))
    command = [
        need(program),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
        *flags,
    ]
    with running(command, folder / "prometheus.log") as process:
        process.line("Server is ready")
        line = process.line("Listening on")
        found = re.search(r"address=(\S+)", line)
        assert found, line
        yield Prometheus(found[1])
