"""
Measure scrapes of an exporter whose maps users have filled.

`python -m tools.bench.full_maps` prints the table. Needs root. The calls have the
longest labels that are possible: tools/harness/key_flood.py.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from pathlib import Path

from tools.bench.rounds import table
from tools.harness import key_flood
from tools.harness.serving import LISTEN, Exporter, serving


REPEATS = 15
KEYS = 9000
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
OPENMETRICS = "application/openmetrics-text;version=1.0.0"

# The request of a scrape, by the name of the row.
ASKS = {
    "OpenMetrics, gzip": {"Accept": OPENMETRICS, "Accept-Encoding": "gzip"},
    "text": {},
}


def report() -> None:
    """Print the cost of a scrape, first with only the users' slots full."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "log", LISTEN) as exporter,
    ):
        for state, prefix in (("users' slots full", NOBODY), ("all slots full", ())):
            key_flood.make(KEYS, prefix)
            for ask, headers in ASKS.items():
                cost = [scrape(exporter, headers) for _ in range(REPEATS)]
                rows.append((state, ask, *figures(exporter, headers, cost)))
    print(f"\nA scrape with full maps, medians of {REPEATS}\n")
    print(table(("maps", "format", "samples", "bytes", "CPU s", "peak MiB"), rows))


def scrape(exporter: Exporter, headers: dict[str, str]) -> float:
    """Scrape, and return the CPU time that the exporter took in seconds."""
    before = cpu_seconds(exporter.pid)
    exporter.get(headers=headers)
    return cpu_seconds(exporter.pid) - before


def figures(
    exporter: Exporter, headers: dict[str, str], cost: list[float]
) -> tuple[str, ...]:
    """Return samples, bytes of the response, CPU time and peak memory as text."""
    lines = exporter.get().body.splitlines()
    samples = sum(not line.startswith(b"#") for line in lines)
    length = len(exporter.get(headers=headers).body)
    return (
        f"{samples:,}",
        f"{length:,}",
        f"{statistics.median(cost):.3f}",
        f"{peak_kb(exporter.pid) / 1024:.0f}",
    )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of *pid* took in seconds."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    times = ((thread / "schedstat").read_text().split()[0] for thread in threads)
    return sum(map(int, times)) / 1e9


def peak_kb(pid: int) -> int:
    """Return the most memory that process *pid* had so far, in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0])


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m tools.bench.full_maps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    report()
