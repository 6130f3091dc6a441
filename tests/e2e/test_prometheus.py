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
from tools.harness.serving import CALL_LABELS, ERROR_LABELS, Counts, Exporter


pytestmark = pytest.mark.whole_host

BIT_LABELS = ("action", "mark_type", "bit")


@pytest.fixture
def prometheus(exporter: Exporter, tmp_path: Path) -> Iterator[Prometheus]:
    with scraping(exporter.addresses[0], tmp_path) as prometheus:
        yield prometheus


def expected_counts(comm: str) -> tuple[Counts, Counts, Counts]:
    """Return the expected calls and errors, and the calls by bit to compare."""
    opened = (
        *(comm, "add", "inode"),
        *("FAN_MARK_ADD|FAN_MARK_ONLYDIR", "FAN_CLOSE_WRITE|FAN_OPEN"),
    )
    bad_descriptor = (
        *(comm, "remove", "filesystem", "FAN_MARK_REMOVE|FAN_MARK_FILESYSTEM"),
        "FAN_ACCESS|FAN_EVENT_ON_CHILD|FAN_ONDIR",
    )
    invalid = (
        *(comm, "invalid", "mount", "FAN_MARK_REMOVE|FAN_MARK_MOUNT|FAN_MARK_FLUSH"),
        "0x2000",
    )
    calls: Counts = {opened: 101, bad_descriptor: 53, invalid: 37}
    errors: Counts = {(*bad_descriptor, "EBADF"): 53, (*invalid, "EINVAL"): 37}
    bits: Counts = {
        ("remove", "filesystem", "FAN_ACCESS"): 53,
        ("remove", "filesystem", "FAN_EVENT_ON_CHILD"): 53,
        ("remove", "filesystem", "FAN_ONDIR"): 53,
        ("invalid", "mount", "unknown"): 37,
    }
    return calls, errors, bits


def test_prometheus_scrapes_exact_counts(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    """Prometheus has exactly the 101, 53 and 37 calls that were made."""
    assert poll(lambda: prometheus.query("up == 1"))
    comm = f"e2e-{os.getpid()}"
    name = comm.encode()
    caller.make(
        tmp_path,
        Calls(name, flags=0x9, mask=0x28, times=101),
        Calls(name, flags=0x102, mask=0x4800_0001, times=53, errno=errno.EBADF),
        Calls(name, flags=0x92, mask=0x2000, times=37, errno=errno.EINVAL),
    )
    prometheus.scraped_after(time.time())
    counts = prometheus.counts
    own = f'{{comm="{comm}"}}'

    calls, errors, bits = expected_counts(comm)
    assert calls == counts("fanotify_mark_calls_total" + own, CALL_LABELS)
    assert errors == counts("fanotify_mark_errors_total" + own, ERROR_LABELS)
    # Tests that run at the same time make no calls of these kinds.
    kinds = {kind[:2] for kind in bits}
    found = counts("fanotify_mark_mask_bit_calls_total", BIT_LABELS)
    assert bits == {each: found[each] for each in found if each[:2] in kinds}
    assert {} == counts("fanotify_mark_calls_created", CALL_LABELS)
