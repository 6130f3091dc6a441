"""The tables of tools.bench.fleet."""

from __future__ import annotations

from collections.abc import Mapping

from tools.bench.fleet_prometheus import SCRAPE_SECONDS, Cost
from tools.bench.rounds import table
from tools.harness import workload


def without_flood(page: str) -> str:
    """Return *page* without the callers of the workload that call once."""
    lines = page.splitlines(keepends=True)
    return "".join(line for line in lines if 'comm="flood-' not in line)


def series(page: str) -> int:
    """Return the number of series of *page*, with the five that Prometheus adds."""
    return 5 + sum(line[:1] != "#" for line in page.splitlines())


def print_pages(pages: Mapping[str, str], wire: int) -> None:
    """Print the size of a host's page, and its series with different flags."""
    page = without_flood(pages["none"])
    print(f"a page: {len(page):,} bytes, {wire:,} with gzip and headers\n")
    rows = [
        (flags, f"{series(without_flood(page))}", f"{series(page)}")
        for flags, page in pages.items()
    ]
    print(table(("flags", "series", f"{workload.FLOOD} more callers"), rows))


def print_costs(costs: Mapping[str, Cost]) -> None:
    """Print the cost of a host."""
    facts = {
        "series": [f"{each.series:.0f}" for each in costs.values()],
        "samples per s": [f"{each.samples_per_second:.1f}" for each in costs.values()],
        "CPU, ms per s": [f"{each.cores * 1e3:.3f}" for each in costs.values()],
        "memory, kB": [f"{each.memory / 1e3:.0f}" for each in costs.values()],
        "memory without hosts, MB": [
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
    """Print the cost of *count* hosts."""
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
    """Return the bytes of a host's blocks of one day: twelve blocks of two hours."""
    samples_a_day = each.samples_per_second * 86_400
    return samples_a_day * each.sample_bytes + 12 * each.series * each.series_bytes
