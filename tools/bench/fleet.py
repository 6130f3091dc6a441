"""
What a fleet costs the Prometheus that scrapes it: ``make bench-fleet``, as root.

The page of a real exporter, on this host with the programs of tools.harness.workload,
is served for HOSTS hosts on loopback, with figures of their own that change at each
scrape. Time runs FACTOR times as fast: they are scraped each second and not each 15,
and durations in the rules are divided likewise. It ends by itself after about five
minutes.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from fanotify_exporter.web.handlers.metrics import GZIP_LEVEL
from tools.bench import fleet_hosts
from tools.bench.rounds import table
from tools.harness import workload
from tools.harness.processes import poll
from tools.harness.rules.durations import divide_durations
from tools.harness.rules.releases import Release, installed, newest
from tools.harness.rules.shipped import RULE_FILES
from tools.harness.servers.prometheus import Prometheus, started
from tools.harness.serving import LISTEN, Exporter, request, samples, serving


HOSTS = 200
FACTOR = 15
WARM_SECONDS, SECONDS = 25, 50
MOST_SECONDS = 600
"""After which the hosts end, whatever happens."""

SCRAPE_SECONDS, EVALUATION_SECONDS = 15, 60
ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0"}
FLAGS = {
    "none": (),
    "`--label.drop=flags,mask`": ("--label.drop=flags,event_f_flags,mask",),
    "`--label.drop=comm`": ("--label.drop=comm",),
}
"""By what the table calls them."""


@dataclass(frozen=True, slots=True)
class Own:
    """What Prometheus says of itself at one moment."""

    at: float
    cpu_seconds: float
    memory: float
    series: float
    samples: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one host costs Prometheus, and Prometheus costs without any."""

    base_memory: float
    memory: float
    cores: float
    series: float
    samples_per_second: float
    sample_bytes: float
    series_bytes: float
    wal_bytes: float


def main() -> None:
    """Print every table on standard output, logs and progress on standard error."""
    with redirect_stdout(sys.stderr):
        pages, wire, costs = everything()
    print_pages(pages, wire)
    print_costs(costs)
    for count in (1_000, 10_000):
        print_fleet(count, costs, wire)


def everything() -> tuple[dict[str, str], int, dict[str, Cost]]:
    """Return pages by flags, a scrape's bytes on the wire, and costs by variant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages, wire = captured(folder)
        page = folder / "page"
        page.write_text(without_flood(pages["none"]))
        variants = {
            "2.42": (installed(), ()),
            "2.42, rules": (installed(), RULE_FILES),
            "3.x, rules": (newest(), RULE_FILES),
        }
        with hosts(page) as addresses:
            return (
                pages,
                wire,
                {
                    name: measured(folder / name, addresses, *variant)
                    for name, variant in variants.items()
                },
            )


def captured(folder: Path) -> tuple[dict[str, str], int]:
    """Return the page with each of FLAGS, and a zipped answer's bytes with none."""
    with ExitStack() as stack:
        exporters = {
            name: stack.enter_context(
                serving(
                    folder / f"exporter-{number}.log",
                    *(LISTEN, "--collector.groups.interval=1s", *flags),
                )
            )
            for number, (name, flags) in enumerate(FLAGS.items())
        }
        stack.enter_context(workload.busy(folder))
        pages = {name: settled(exporter) for name, exporter in exporters.items()}
        headers = exporters["none"].get(headers=ACCEPT).headers
    body = gzip.compress(without_flood(pages["none"]).encode(), GZIP_LEVEL)
    return pages, len(body) + len(str(headers))


def settled(exporter: Exporter) -> str:
    """Return a page that has the groups of the last program."""

    def page() -> str:
        return exporter.get(headers=ACCEPT).body.decode()

    last = re.compile(r"^fanotify_user_groups{uid=.61001.} [1-9]", re.MULTILINE)
    found = poll(page, last.search)
    assert last.search(found)
    return found


def without_flood(page: str) -> str:
    """Return *page* without the workload's many callers that call once."""
    lines = page.splitlines(keepends=True)
    return "".join(line for line in lines if 'comm="flood-' not in line)


@contextmanager
def hosts(page: Path) -> Iterator[list[str]]:
    """Serve HOSTS hosts, and yield their addresses."""
    command = [sys.executable, "-m", fleet_hosts.__name__, str(page)]
    with subprocess.Popen(
        [*command, str(HOSTS), str(MOST_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())


def measured(
    folder: Path, addresses: Sequence[str], release: Release, rules: Sequence[Path]
) -> Cost:
    """Let *release* scrape, with our rules or without, and return what a host cost."""
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
        ready = own(prometheus)
        time.sleep(WARM_SECONDS)
        first = own(prometheus)
        time.sleep(SECONDS)
        last = own(prometheus)
        healthy(prometheus)
        return cost(folder / "tsdb", prometheus, ready, first, last)


def own(prometheus: Prometheus) -> Own:
    """Return what it says now."""
    text = request(prometheus.address, "/metrics").body.decode()

    def total(name: str) -> float:
        return sum(sample.value for sample in samples(text, name))

    return Own(
        time.monotonic(),
        total("process_cpu_seconds_total"),
        total("process_resident_memory_bytes"),
        total("prometheus_tsdb_head_series"),
        total("prometheus_tsdb_head_samples_appended_total"),
    )


def healthy(prometheus: Prometheus) -> None:
    """Nothing was measured if scrapes or rules did not keep up."""
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


def cost(data: Path, prometheus: Prometheus, ready: Own, first: Own, last: Own) -> Cost:
    """Return what a host cost in real time."""
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


def series(page: str, *, created: bool = True) -> int:
    """Return how many series Prometheus makes of *page*, with its own five."""
    lines = [line for line in page.splitlines() if line[:1] != "#"]
    return 5 + sum(created or "_created{" not in line for line in lines)


def print_pages(pages: Mapping[str, str], wire: int) -> None:
    """Print how large a host's page is, and what flags make of it."""
    page = without_flood(pages["none"])
    print(f"a page: {len(page):,} bytes, {wire:,} with gzip and headers\n")
    rows = [
        (
            flags,
            *(f"{series(without_flood(page), created=each)}" for each in (True, False)),
            *(f"{series(page, created=each)}" for each in (True, False)),
        )
        for flags, page in pages.items()
    ]
    flood = f"{workload.FLOOD} more callers"
    head = ("flags", "series", "without `_created`", flood, "without `_created`")
    print(table(head, rows))


def print_costs(costs: Mapping[str, Cost]) -> None:
    """Print what was measured of a host."""
    facts = {
        "series": [f"{each.series:.0f}" for each in costs.values()],
        "samples per s": [f"{each.samples_per_second:.1f}" for each in costs.values()],
        "CPU, ms per s": [f"{each.cores * 1e3:.3f}" for each in costs.values()],
        "memory, kB": [f"{each.memory / 1e3:.0f}" for each in costs.values()],
        "memory of none, MB": [
            f"{each.base_memory / 1e6:.0f}" for each in costs.values()
        ],
        "bytes per sample": [f"{each.sample_bytes:.2f}" for each in costs.values()],
        "index bytes per series": [
            f"{each.series_bytes:.0f}" for each in costs.values()
        ],
        "WAL bytes per sample": [f"{each.wal_bytes:.2f}" for each in costs.values()],
    }
    print()
    print(table(("a host", *costs), [(name, *row) for name, row in facts.items()]))


def print_fleet(count: int, costs: Mapping[str, Cost], wire: int) -> None:
    """Print what *count* hosts cost."""
    megabytes = count * wire / SCRAPE_SECONDS / 1e6
    facts: dict[str, list[str]] = {
        "series": [f"{count * each.series:,.0f}" for each in costs.values()],
        "samples per s": [
            f"{count * each.samples_per_second:,.0f}" for each in costs.values()
        ],
        "MB per s on the wire": [f"{megabytes:.2f}" for _ in costs],
        "cores": [f"{count * each.cores:.2f}" for each in costs.values()],
        "memory, GB": [
            f"{(each.base_memory + count * each.memory) / 1e9:.1f}"
            for each in costs.values()
        ],
        "disk, GB a day": [
            f"{count * daily(each) / 1e9:.1f}" for each in costs.values()
        ],
    }
    print()
    head = (f"{count:,} hosts", *costs)
    print(table(head, [(name, *row) for name, row in facts.items()]))


def daily(each: Cost) -> float:
    """Return the bytes of a host's blocks of one day, twelve of two hours."""
    samples_a_day = each.samples_per_second * 86_400
    return samples_a_day * each.sample_bytes + 12 * each.series * each.series_bytes


if __name__ == "__main__":
    main()
