"""Give a Prometheus pages as if it had scraped them in the past."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.harness.requirements import need
from tools.harness.servers.prometheus import JOB, Prometheus, started


INSTANCE = "host:9999"

# The samples have no marks of staleness, which would end a series that a page lacks.
LOOKBACK = "--query.lookback-delta=2s"

_TARGET = f'job="{JOB}",instance="{INSTANCE}"'
_SAMPLE = re.compile(r"^(\w+)(?:{(.*)})? (\S+)$")


@contextmanager
def replayed(
    pages: Iterable[tuple[float, bytes]], folder: Path
) -> Iterator[Prometheus]:
    """
    Start a Prometheus that has the samples of *pages* and scrapes nothing.

    Args:
        pages: the Unix time of each scrape, in rising order, and the OpenMetrics that
            the target INSTANCE returned.
        folder: for the data of Prometheus.
    """
    path = folder / "samples.openmetrics"
    with path.open("w") as samples:
        for at, page in pages:
            for line in page.decode().splitlines():
                if found := _SAMPLE.match(line):
                    name, labels, value = found.groups()
                    own = f",{labels}" if labels else ""
                    samples.write(f"{name}{{{_TARGET}{own}}} {value} {at:.3f}\n")
        samples.write("# EOF\n")
    create = ("tsdb", "create-blocks-from", "openmetrics", path, folder / "tsdb")
    subprocess.run([need("promtool"), *create], check=True, capture_output=True)
    with started({}, folder, LOOKBACK) as prometheus:
        yield prometheus
