"""
Measure what a fleet costs a Prometheus, for tools.bench.fleet.

Time runs FACTOR times as fast as in production: Prometheus scrapes each second instead
of every 15 seconds, and the durations in the rules are divided by FACTOR too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench.fleet_hosts import HOSTS
from tools.harness.rules.durations import divide_durations
from tools.harness.rules.releases import Release
from tools.harness.servers.prometheus import Prometheus, started
from tools.harness.serving import request, samples


FACTOR = 15
WARM_SECONDS, SECONDS = 25, 50
# Production values.
SCRAPE_SECONDS, EVALUATION_SECONDS = 15, 60


@dataclass(frozen=True, slots=True)
class Usage:
    """Prometheus' metrics about itself at one moment."""

    at: float
    cpu_seconds: float
    memory: float
    series: float
    samples: float


@dataclass(frozen=True, slots=True)
class Cost:
    """
    The cost of a host to Prometheus, in production time.

    Attributes:
        base_memory: memory of Prometheus without hosts, bytes.
        memory: bytes per host.
        cores: CPU seconds per second and host.
        series: series per host.
        samples_per_second: samples per second and host.
        sample_bytes: size of a sample on disk.
        series_bytes: size of a series in the index of a block.
        wal_bytes: size of a sample in the write-ahead log.
    """

    base_memory: float
    memory: float
    cores: float
    series: float
    samples_per_second: float
    sample_bytes: float
    series_bytes: float
    wal_bytes: float


def measured(
    folder: Path, addresses: Sequence[str], release: Release, rules: Sequence[Path]
) -> Cost:
    """Let *release* scrape *addresses* with *rules*; return the cost of a host."""
    folder.mkdir()
    for path in rules:
        (folder / path.name).write_text(json.dumps(divide_durations(path, FACTOR)))
    config = {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS * 1000 // FACTOR}ms",
            "scrape_timeout": f"{SCRAPE_SECONDS * 1000 // FACTOR}ms",
            "evaluation_interval": f"{EVALUATION_SECONDS * 1000 // FACTOR}ms",
        },
        "rule_files": [path.name for path in rules],
        "scrape_configs": [
            {"job_name": "fanotify", "static_configs": [{"targets": addresses}]}
        ],
    }
    flag = "--web.enable-admin-api"
    with started(config, folder, flag, program=release.prometheus) as prometheus:
        ready = usage(prometheus)
        time.sleep(WARM_SECONDS)
        first = usage(prometheus)
        time.sleep(SECONDS)
        last = usage(prometheus)
        print_health(prometheus)
        return cost(folder / "tsdb", prometheus, ready, first, last)


def usage(prometheus: Prometheus) -> Usage:
    """Return the metrics of *prometheus* about itself."""
    text = request(prometheus.address, "/metrics").body.decode()

    def total(name: str) -> float:
        return sum(sample.value for sample in samples(text, name))

    return Usage(
        time.monotonic(),
        total("process_cpu_seconds_total"),
        total("process_resident_memory_bytes"),
        total("prometheus_tsdb_head_series"),
        total("prometheus_tsdb_head_samples_appended_total"),
    )


def print_health(prometheus: Prometheus) -> None:
    """
    Print whether scrapes and rules kept up.

    The figures are valid only if Prometheus made all scrapes and evaluations.
    """
    kinds = {
        metric["level"]: f"{count:.0f}"
        for metric, count in prometheus.query(
            'count by (level) (label_replace({__name__=~"instance.*:.*|cluster.*:.*"},'
            ' "level", "$1", "__name__", "(instance|cluster).*"))'
        )
    }
    ((_, up),) = prometheus.query("sum(up)")
    ((_, scrapes),) = prometheus.query(f"sum(count_over_time(up[{SECONDS}s]))")
    text = request(prometheus.address, "/metrics").body.decode()
    missed = samples(text, "prometheus_rule_group_iterations_missed_total")
    failed = samples(text, "prometheus_rule_evaluation_failures_total")
    behind = sum(sample.value for sample in (*missed, *failed))
    print(
        f"\n{up:.0f} hosts up, {scrapes / HOSTS / SECONDS:.1%} of the scrapes made, "
        f"{behind:.0f} evaluations missed or failed, "
        f"recorded series by level: {kinds}"
    )


def cost(
    data: Path, prometheus: Prometheus, ready: Usage, first: Usage, last: Usage
) -> Cost:
    """
    Return the cost of a host.

    *ready* was measured before the first scrape, *first* and *last* around the
    measured interval.
    """
    seconds = (last.at - first.at) * FACTOR * HOSTS
    wal = sum(path.stat().st_size for path in (data / "wal").iterdir())
    request(prometheus.address, "/api/v1/admin/tsdb/snapshot", method="POST")
    (block,) = (data / "snapshots").glob("*/*/meta.json")
    stats = json.loads(block.read_text())["stats"]
    chunks = sum(path.stat().st_size for path in (block.parent / "chunks").iterdir())
    return Cost(
        base_memory=ready.memory,
        memory=(last.memory - ready.memory) / HOSTS,
        cores=(last.cpu_seconds - first.cpu_seconds) / seconds,
        series=last.series / HOSTS,
        samples_per_second=(last.samples - first.samples) / seconds,
        sample_bytes=chunks / stats["numSamples"],
        series_bytes=(block.parent / "index").stat().st_size / stats["numSeries"],
        wal_bytes=wal / last.samples,
    )
