"""
Run the benchmarks of scrapes, scans and probes, and print their tables.

`python -m tools.bench` needs root and about ten minutes. More benchmarks have commands
of their own: tools.bench.fleet, http_servers, soak and vm.
"""

from __future__ import annotations

import argparse

from tools.bench import full_maps, groups, hooks, permission, trace
from tools.bench.rounds import ROUNDS, medians, table


def scrape() -> None:
    """Print a table of the cost of a scrape of 10,000 keys."""
    figures = medians("tools.bench.scrape", ("ours", "items"))
    ours, items = figures["ours"], figures["items"]
    rows = [
        ("exporter, read maps", ours["read_ms"], items["read_ms"]),
        ("exporter, all families as text", ours["text_ms"], items["text_ms"]),
        ("exporter, all as OpenMetrics, gzip", ours["gzip_ms"], items["gzip_ms"]),
    ]
    sizes = f"{ours['gzip_bytes']:,.0f} and {items['gzip_bytes']:,.0f}"
    print(
        f"\nA scrape of {ours['keys']:.0f} keys, medians of {ROUNDS} interleaved rounds"
        f"\n(bcc: {items['keys']:.0f} keys, items() and generate_latest, one family)"
        f"\nBytes with gzip: {sizes}\n"
    )
    print(
        table(
            ("what", "CPU ms", "bcc, CPU ms", "ratio"),
            [
                (what, f"{mine:.1f}", f"{peer:.1f}", f"{mine / peer:.2f}")
                for what, mine, peer in rows
            ],
        )
    )


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m tools.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    scrape()
    full_maps.report()
    groups.report()
    hooks.report()
    permission.report()
    trace.report()
