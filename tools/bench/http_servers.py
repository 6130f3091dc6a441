"""
Compare HTTP servers for the exporter: `python -m tools.bench.http_servers`.

Measures memory, latency, resistance to slow clients, and the time to stop, for tornado,
cheroot (WSGI), uvicorn (ASGI, h11) and, as baseline, the server of prometheus_client.
Each server has its own time limits set to 10 s, if it has such a setting.

A round takes about 9 minutes. Needs the openssl command, and more packages than the
exporter: ``pip install cheroot uvicorn h11``.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tools.bench.http_candidates import HOST, SERVERS
from tools.bench.http_clients import HOLD, Child, SlowClients, running


# Consecutive failed scrapes after which a series of scrapes ends.
GIVE_UP = 3
# Number of slow clients by kind.
SLOW_CLIENTS = {"stalled": 20, "slow headers": 50, "idle": 200}

Figures = dict[str, list[float]]


def measure_alone(child: Child, series: int) -> Figures:
    """Measure memory, and the latency of scrapes without other clients."""
    figures: Figures = {f"{series} series: RSS at start, kB": [child.rss()]}
    figures[f"{series} series: scrape, ms"] = [child.scrape() for _ in range(100)]
    figures[f"{series} series: RSS after 100, kB"] = [child.rss()]
    return figures


def measure_stop(child: Child) -> Figures:
    """Measure the time to stop with a slow and a stalled client connected."""
    slow = [SlowClients(child, kind, 1) for kind in ("slow headers", "stalled")]
    time.sleep(1)
    took = child.stop()
    for clients in slow:
        clients.close()
    return {"SIGTERM to exit, s (inf: killed)": [took]}


def measure_beside(child: Child, kind: str, count: int) -> Figures:
    """Measure scrapes and resources while *count* clients of *kind* are connected."""
    for _ in range(3):
        child.scrape()
    before = child.rss()
    slow = SlowClients(child, kind, count)
    scrapes: list[float] = []
    spent: list[tuple[int, int, int]] = []
    while len(scrapes) < 20 and scrapes[-GIVE_UP:] != GIVE_UP * [math.inf]:
        scrapes.append(child.scrape())
        spent.append((child.count("task"), child.count("fd"), child.rss() - before))
    time.sleep(max(0.0, slow.since + HOLD - time.monotonic()))
    slow.close()
    threads, fds, rss = map(max, zip(*spent, strict=True))
    return {
        f"{count} {kind}: scrape, ms": scrapes,
        f"{kind}: clients": [slow.opened],
        f"{kind}: dropped within {HOLD:.0f} s": [slow.opened - slow.left],
        f"{kind}: threads of the server": [threads],
        f"{kind}: fds of the server": [fds],
        f"{kind}: RSS growth, kB": [rss],
        f"{kind}: tracebacks logged": [child.log.read_text("latin-1").count("Traceb")],
    }


def measure(name: str, folder: Path) -> Figures:
    """Return all figures of one round of the server *name*."""
    with running(name, 30, folder) as child:
        figures = measure_alone(child, 30)
    with running(name, 10_000, folder) as child:
        figures |= measure_alone(child, 10_000) | measure_stop(child)
    for kind, count in SLOW_CLIENTS.items():
        with running(name, 10_000, folder) as child:
            figures |= measure_beside(child, kind, count)
    return figures


def cell(title: str, values: list[float]) -> str:
    """Return the median; for scrapes also the worst time and the failures."""
    if "scrape" not in title:
        return f"{round(statistics.median(values), 2):g}"
    good = [v * 1000 for v in values if v < math.inf]
    spent = f"{statistics.median(good):.0f} / {max(good):.0f}" if good else "-"
    return f"{spent} ({len(values) - len(good)}/{len(values)})"


def print_table(results: dict[str, Figures]) -> None:
    """Print a line for each figure, with a column for each server."""
    names = list(results)
    lines = [["median / worst (failed/tried)", *names]]
    for title in results[names[0]]:
        lines += [[title, *(cell(title, results[n][title]) for n in names)]]
    for first, *others in lines:
        print(f"{first:36}" + "".join(f"{text:>19}" for text in others))


def compare(rounds: int) -> None:
    """Measure all servers in *rounds* rounds and print the table."""
    results: dict[str, Figures] = {name: defaultdict(list) for name in SERVERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
        command += " -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
        command += f" -addext subjectAltName=IP:{HOST}"
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
        for turn in range(rounds):
            names = list(SERVERS)
            for server in names[turn % len(names) :] + names[: turn % len(names)]:
                print(f"round {turn + 1}: {server}", file=sys.stderr, flush=True)
                for figure, values in measure(server, folder).items():
                    results[server][figure] += values
    print_table(results)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.http_servers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    compare(parser.parse_args().rounds)


if __name__ == "__main__":
    main()
