"""Costs that users can cause to exporter and Prometheus: full maps, many scrapers."""

from __future__ import annotations

import gzip
import re
import statistics
import time
from pathlib import Path

import pytest

from tools.harness import key_flood
from tools.harness.memory_cgroup import memory_cgroup
from tools.harness.processes import poll
from tools.harness.scrape_crowd import crowd, different_asks
from tools.harness.serving import LISTEN, Exporter, request, serving


pytestmark = pytest.mark.whole_host

AS_PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    "Accept-Encoding": "gzip",
}
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
MIB = 1024

# More keys than there are slots for privileged callers and for all others.
KEYS = 9000


def scrape(exporter: Exporter) -> list[str]:
    """Scrape as Prometheus does, and return the lines with samples."""
    answer = exporter.get(headers=AS_PROMETHEUS)
    assert 200 == answer.status
    lines = gzip.decompress(answer.body).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def calls(lines: list[str], syscall: str = "fanotify_mark") -> float:
    """
    Return the number of the calls of *syscall* that key_flood made.

    Other tests make calls at the same time, under other names.
    """
    own = re.compile(rf'{syscall}_calls_total{{.*\bcomm="(\\\\xff|\[other: map full\])')
    return sum(float(line.rpartition(" ")[2]) for line in lines if own.match(line))


def peak_kb(exporter: Exporter) -> int:
    """Return the most memory that the serving process had so far, in kB."""
    status = Path(f"/proc/{exporter.pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0])


def every_page(exporter: Exporter) -> None:
    """Get the metrics in both formats and encodings, and the landing page."""
    for _ in range(5):
        scrape(exporter)
        assert 200 == exporter.get().status
        assert 200 == exporter.get("/").status


def test_a_hostile_user(exporter: Exporter) -> None:
    """9,000 names, keys with every mask bit: 4,200 samples, 64 MiB, exact sums."""
    before = calls(scrape(exporter))
    key_flood.make(KEYS, NOBODY)
    lines = scrape(exporter)
    assert KEYS == calls(lines) - before
    assert KEYS <= calls(lines, "inotify_add_watch")
    every_page(exporter)
    print(f"{len(lines)} samples, peak {peak_kb(exporter)} kB")
    assert 2000 < len(lines) <= 4200
    marks, watches = exporter.later_lines()
    assert "a map is full" in marks
    assert " map=calls_user " in marks
    assert "a map is full" in watches
    assert " map=inotify_add_watch " in watches
    assert peak_kb(exporter) <= 64 * MIB


def test_all_slots_full_in_a_pod(pins: Path, tmp_path: Path) -> None:
    """With pins, in the DaemonSet's 256 MiB: 110 MiB, and again after a restart."""
    arguments = (LISTEN, f"--bpf.pin={pins}")
    with memory_cgroup(256 * 1024 * 1024) as cgroup:
        for run in range(2):
            log = tmp_path / f"{run}.log"
            with serving(log, *arguments, prefix=cgroup.prefix) as exporter:
                if run == 0:
                    before = calls(scrape(exporter))
                    key_flood.make(KEYS, NOBODY)
                    key_flood.make(KEYS)
                    assert 2 * KEYS == calls(scrape(exporter)) - before
                lines = scrape(exporter)
                every_page(exporter)
                print(f"{len(lines)} samples, peak {peak_kb(exporter)} kB")
                assert 2 * (8192 + 1024) < len(lines) < 24_000
                assert peak_kb(exporter) <= 110 * MIB
        poll(lambda: not (cgroup.folder / "cgroup.procs").read_text())
        assert 0 == cgroup.oom_kills()


def test_a_scrape_shows_the_calls_before_it(exporter: Exporter) -> None:
    """A scrape right after calls has them, 10 times of 10."""
    before = calls(scrape(exporter))
    for turn in range(1, 11):
        key_flood.make(7)
        assert 7 * turn == calls(scrape(exporter)) - before


def test_64_clients_beside_prometheus(exporter: Exporter) -> None:
    """A crowd takes half a core; Prometheus and the health page are answered."""
    key_flood.make(KEYS, NOBODY)
    (address,) = exporter.addresses
    families = ["fanotify_mark_errors", "fanotify_mark_mask_bit_calls"]
    families += ["fanotify_groups", "fanotify_exporter_collector_success"]
    families += ["process_open_fds", "fanotify_exporter_map_entries"]
    scrapes, health = [], []
    with crowd(address, different_asks(families, 64)) as clients:
        poll(lambda: clients.answers > 64)
        started, cpu_started = time.monotonic(), cpu_seconds(exporter)
        for _ in range(15):
            scrapes.append(timed(address, "/metrics"))
            health.append(timed(address, "/-/healthy"))
            time.sleep(0.3)
        share = (cpu_seconds(exporter) - cpu_started) / (time.monotonic() - started)
    print(f"scrapes {statistics.median(scrapes):.3f} s, at most {max(scrapes):.3f} s")
    print(
        f"health {max(health):.3f} s, {share:.2f} of a core, {clients.answers} answers"
    )
    assert {200} == clients.statuses
    # Prometheus gives a scrape 10 s, and a kubelet gives a probe 1 s, by default.
    assert statistics.median(scrapes) < 5
    assert statistics.median(health) < 1
    assert share <= 0.5
    assert peak_kb(exporter) <= 64 * MIB


def timed(address: str, path: str) -> float:
    """Return the seconds that a request by Prometheus takes."""
    started = time.monotonic()
    assert 200 == request(address, path, headers=AS_PROMETHEUS).status
    return time.monotonic() - started


def cpu_seconds(exporter: Exporter) -> float:
    """Return the CPU time that the serving process took."""
    threads = Path(f"/proc/{exporter.pid}/task").iterdir()
    return (
        sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
        / 1e9
    )
