"""
Measure what a fleet of hosts costs its Prometheus: `python -m tools.bench.fleet`.

Scrapes a real exporter on this host, beside the programs of tools.harness.workload.
Then serves the page on loopback for 200 hosts, each with figures of its own that change
with each scrape, and lets several versions of Prometheus scrape them (see
tools.bench.fleet_prometheus). Takes about five minutes. Needs root.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

from fanotify_exporter.metrics.pages import GZIP_LEVEL
from tools.bench import fleet_hosts
from tools.bench.fleet_hosts import HOSTS
from tools.bench.fleet_prometheus import Cost, measured
from tools.bench.fleet_tables import (
    print_costs,
    print_fleet,
    print_pages,
    without_flood,
)
from tools.harness import workload
from tools.harness.processes import poll
from tools.harness.rules.releases import installed, newest
from tools.harness.rules.shipped import RULE_FILES
from tools.harness.serving import LISTEN, Exporter, serving


# Seconds after which the process of the hosts ends, even if this process has died.
MAX_SECONDS = 600
ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0"}
# Flags of the exporter by their name in the table.
FLAGS = {
    "none": (),
    "`--label.drop=flags,mask`": ("--label.drop=flags,event_f_flags,mask",),
    "`--label.drop=comm`": ("--label.drop=comm",),
}


def main() -> None:
    """Print the tables on standard output, logs and progress on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    with redirect_stdout(sys.stderr):
        pages, wire, costs = measure_all()
    print_pages(pages, wire)
    print_costs(costs)
    for count in (1_000, 10_000):
        print_fleet(count, costs, wire)


def measure_all() -> tuple[dict[str, str], int, dict[str, Cost]]:
    """Return pages by flags, the bytes of a scrape, and costs by Prometheus version."""
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
    """Return the page with each of FLAGS, and the bytes of a scrape with gzip."""
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
    """Scrape until the page has the groups of the last program; return the page."""

    def page() -> str:
        return exporter.get(headers=ACCEPT).body.decode()

    last = re.compile(r"^fanotify_user_groups{uid=.61001.} [1-9]", re.MULTILINE)
    found = poll(page, last.search)
    assert last.search(found)
    return found


@contextmanager
def hosts(page: Path) -> Iterator[list[str]]:
    """Serve HOSTS hosts during the block, and yield their addresses."""
    command = [sys.executable, "-m", fleet_hosts.__name__, str(page)]
    with subprocess.Popen(
        [*command, str(HOSTS), str(MAX_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())


if __name__ == "__main__":
    main()
