"""``make bench``: print every table."""

from __future__ import annotations

from tools.bench import groups, hooks
from tools.bench.rounds import ROUNDS, medians, table


def scrape() -> None:
    """Print what a scrape of 10,000 keys costs."""
    figures = medians("tools.bench.scrape", ("ours", "items"))
    ours, items = figures["ours"], figures["items"]
    rows = [
        ("exporter, read maps", ours["read_ms"], items["read_ms"]),
        ("exporter, all families as text", ours["text_ms"], items["text_ms"]),
        ("exporter, all as OpenMetrics", ours["openmetrics_ms"], items["text_ms"]),
    ]
    print(
        f"\nA scrape of {ours['keys']:.0f} keys, medians of {ROUNDS} interleaved rounds"
        f"\n(bcc: {items['keys']:.0f} keys, items() and generate_latest, one family)\n"
    )
    print(
        table(
            ("what", "ms", "bcc's way, ms", "ratio"),
            [
                (what, f"{mine:.1f}", f"{peer:.1f}", f"{mine / peer:.2f}")
                for what, mine, peer in rows
            ],
        )
    )


if __name__ == "__main__":
    scrape()
    groups.report()
    hooks.report()
