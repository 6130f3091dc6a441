"""Start Debian's Prometheus, which scrapes targets on loopback every second."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tools.harness.processes import poll, running
from tools.harness.requirements import need
from tools.harness.rules.durations import FACTOR, divide_durations
from tools.harness.rules.shipped import RULE_FILES, SCRAPE_EXAMPLE, SETTINGS
from tools.harness.serving import Counts, request


JOB = "fanotify"
# Prometheus' default --query.lookback-delta, 5 minutes.
LOOKBACK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus and the address it listens on."""

    address: str

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of an instant query."""
        response = request(self.address, f"/api/v1/query?query={quote(expression)}")
        result = json.loads(response.body)["data"]["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def last_error(self) -> str:
        """Return the error of the last scrape of the only target, or ""."""
        response = request(self.address, "/api/v1/targets?state=active")
        (target,) = json.loads(response.body)["data"]["activeTargets"]
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

        Asserts that the series have exactly these labels and those that Prometheus
        adds.
        """
        found = {}
        for metric, value in self.query(selector):
            assert set(metric) == {*labels, "__name__", "job", "instance"}
            found[tuple(metric[name] for name in labels)] = value
        return found


@contextmanager
def scraping(target: str, folder: Path, **others: str) -> Iterator[Prometheus]:
    """
    Start a Prometheus that scrapes *target* and records the alerts' thresholds.

    Args:
        target: address of an exporter.
        folder: for the data of Prometheus.
        others: more targets, by the name of their job.
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
    """
    Start a Prometheus with the shipped files, their durations divided by FACTOR.

    Args:
        target: address of an exporter.
        alertmanager: address of an Alertmanager.
        folder: for the configuration and the data of Prometheus.
    """
    for path in RULE_FILES:
        (folder / path.name).write_text(json.dumps(divide_durations(path)))
    config = divide_durations(SCRAPE_EXAMPLE)
    config["global"]["scrape_interval"] = "1s"  # a scrape timeout cannot be longer
    (targets,) = config["scrape_configs"][0]["static_configs"]
    (alertmanagers,) = config["alerting"]["alertmanagers"][0]["static_configs"]
    targets["targets"], alertmanagers["targets"] = [target], [alertmanager]
    lookback = f"--query.lookback-delta={LOOKBACK_SECONDS // FACTOR}s"
    with started(config, folder, lookback) as prometheus:
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
