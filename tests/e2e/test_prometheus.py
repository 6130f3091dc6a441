"""Counts are exact from fanotify_mark(2) to Prometheus' HTTP API."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.processes import poll
from tools.harness.servers.prometheus import Prometheus, scraping
from tools.harness.serving import CALL_LABELS, ERROR_LABELS, Exporter


pytestmark = pytest.mark.whole_host


@pytest.fixture
def prometheus(exporter: Exporter, tmp_path: Path) -> Iterator[Prometheus]:
    with scraping(exporter.addresses[0], tmp_path) as prometheus:
        yield prometheus


def test_prometheus_scrapes_exact_counts(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    """Prometheus has exactly the 101, 53 and 37 calls that were made."""
    up = poll(
        lambda: [value for _, value in prometheus.query("up")], lambda up: up == [1]
    )
    assert up == [1]

    comm = f"e2e-{os.getpid()}"
    name = comm.encode()
    began = time.time()
    caller.make(
        tmp_path,
        Calls(name, flags=0x9, mask=0x28, times=101),
        Calls(name, flags=0x101, mask=0x4800_0001, times=53, errno=errno.EBADF),
        Calls(name, flags=0x92, mask=0x2000, times=37, errno=errno.EINVAL),
    )
    ended = time.time()
    prometheus.scraped_after(ended + 1)  # a response may be half a second old

    add_inode = (comm, "add", "inode")
    add_filesystem = (comm, "add", "filesystem")
    invalid = (
        comm,
        "invalid",
        "mount",
        "FAN_MARK_REMOVE|FAN_MARK_MOUNT|FAN_MARK_FLUSH",
    )
    bad_descriptor = (
        *add_filesystem,
        "FAN_MARK_ADD|FAN_MARK_FILESYSTEM",
        "FAN_ACCESS|FAN_EVENT_ON_CHILD|FAN_ONDIR",
    )
    selector = f'{{comm="{comm}"}}'
    assert prometheus.counts(f"fanotify_mark_calls_total{selector}", CALL_LABELS) == {
        (
            *add_inode,
            "FAN_MARK_ADD|FAN_MARK_ONLYDIR",
            "FAN_CLOSE_WRITE|FAN_OPEN",
        ): 101,
        bad_descriptor: 53,
        (*invalid, "0x2000"): 37,
    }
    assert prometheus.counts(f"fanotify_mark_errors_total{selector}", ERROR_LABELS) == {
        (*bad_descriptor, "EBADF"): 53,
        (*invalid, "0x2000", "EINVAL"): 37,
    }
    bits = ("comm", "action", "mark_type", "bit")
    assert prometheus.counts(f"fanotify_mark_mask_bit_calls_total{selector}", bits) == {
        (*add_inode, "FAN_CLOSE_WRITE"): 101,
        (*add_inode, "FAN_OPEN"): 101,
        (*add_filesystem, "FAN_ACCESS"): 53,
        (*add_filesystem, "FAN_EVENT_ON_CHILD"): 53,
        (*add_filesystem, "FAN_ONDIR"): 53,
        (comm, "invalid", "mount", "0x2000"): 37,
    }
    # Prometheus requests OpenMetrics, which has the time of each series' first call.
    created = prometheus.counts(f"fanotify_mark_calls_created{selector}", CALL_LABELS)
    assert len(created) == 3
    assert all(began - 1 < first < ended + 1 for first in created.values())
