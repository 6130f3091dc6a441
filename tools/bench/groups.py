"""
What looking for groups costs on a host of 2,000 processes with 100,000 descriptors.

Each variant makes such a host, 20 processes of which have a group, and then:

- ``ours``: full scans, the looks between them, and a group with 90,000 marks;
- ``naive``: glob, readlink and read, as a script does;
- ``answers``: how long a server takes to answer while full scans run in it without
  any rest, and how long at the same time one in a process beside it, which shows
  what the machine itself does;
- ``answers-huge``: the same, and each scan reads a group with 90,000 marks.

``python -m tools.bench.groups [VARIANT]``, as root.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from glob import glob
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

from prometheus_client import CollectorRegistry

from fanotify_exporter.fsnotify.descriptors import GROUP_LINK
from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.model import Group
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from fanotify_exporter.procfs.process import opened_process, read_fdinfo
from fanotify_exporter.web import server as web
from fanotify_exporter.web.handlers import MetricsService
from fanotify_exporter.web.sockets import address, listen
from tools.bench.rounds import Runs, run_rounds, table


PROCESSES, DESCRIPTORS = 2000, 50
LISTENERS = 20
MARKS = 90_000
REPEATS = 5
ROUNDS = 3
ASK_SECONDS = 10.0
ASK_EVERY_SECONDS = 0.002

UNLIMITED_MARKS, ADD, OPEN = 0x20, 0x1, 0x20

libc = ctypes.CDLL(None, use_errno=True)


def make_group(marks: int, folder: str) -> int:
    """Return a new group that marks as many files of *folder*."""
    group: int = libc.fanotify_init(UNLIMITED_MARKS, 0)
    for number in range(marks):
        path = os.fsencode(f"{folder}/{number}")
        os.close(os.open(path, os.O_CREAT))
        if libc.fanotify_mark(group, ADD, ctypes.c_uint64(OPEN), -100, path):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return group


def open_descriptors(folder: str) -> list[object]:
    """Open DESCRIPTORS files, sockets, pipes and epolls, and return them."""
    kept: list[object] = []
    for number in range(DESCRIPTORS // 10):
        paths = (f"{folder}/{number}-{each}" for each in range(4))
        kept += [os.open(path, os.O_CREAT) for path in paths]
        kept += [socket.socket() for _ in range(3)]
        kept += [os.pipe(), select.epoll()]
    return kept


@contextmanager
def host() -> Iterator[str]:
    """Fork the processes, the first LISTENERS of them with a group; yield a folder."""
    with tempfile.TemporaryDirectory() as folder:
        ready, say_ready = os.pipe()
        going, end = os.pipe()
        pids = []
        for number in range(PROCESSES):
            if pid := os.fork():
                pids.append(pid)
                continue
            os.close(end)
            kept = (
                open_descriptors(folder),
                number < LISTENERS and make_group(3, folder),
            )
            os.write(say_ready, b"!")
            os.read(going, 1)
            os._exit(not kept)
        for _ in pids:
            os.read(ready, 1)
        yield folder
        for each in (ready, say_ready, going, end):
            os.close(each)
        for pid in pids:
            os.waitpid(pid, 0)


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def first_and_later(work: Callable[[], object]) -> dict[str, float]:
    """Return the CPU time of the first time, and the median of some later ones."""
    return {
        "first_s": cpu_seconds(work),
        "later_s": statistics.median(cpu_seconds(work) for _ in range(REPEATS)),
    }


def restless() -> GroupScanner:
    """Return a scanner that makes a full scan in each step, and reads everything."""
    hours = count(step=36_000)
    return GroupScanner(now=lambda: next(hours))


def ours() -> dict[str, float]:
    """Time a scanner's steps, and the reading of a huge group."""
    with host() as folder:
        before = reclaimable_mb()
        figures = first_and_later(restless().poll)
        kept = reclaimable_mb() - before
        scanner = GroupScanner(interval=86_400)
        scanner.poll()
        look = statistics.median(cpu_seconds(scanner.poll) for _ in range(20))
        group = make_group(MARKS, folder)
        huge = statistics.median(
            cpu_seconds(partial(read_group, group)) for _ in range(REPEATS)
        )
        os.close(group)
    return figures | {"look_s": look, "huge_s": huge, "kept_mb": kept}


def reclaimable_mb() -> float:
    """Return how much the kernel keeps only as long as nobody needs the memory."""
    meminfo = Path("/proc/meminfo").read_text()
    found = re.search(r"^SReclaimable: +(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def read_group(fd: int) -> Group | None:
    """Read a group of this process as a scan does."""
    with opened_process(os.getpid()) as process:
        return parse_fdinfo(read_fdinfo(process, fd))


def naive() -> dict[str, float]:
    """Time what a script does."""
    with host():
        return first_and_later(naive_walk)


def naive_walk() -> dict[str, int]:
    """Return the marks of each descriptor of a group."""
    marks = {}
    for link in glob("/proc/[0-9]*/fd/*"):  # noqa: PTH207  as scripts do
        with suppress(OSError):
            if os.readlink(link) == GROUP_LINK:  # noqa: PTH115
                fdinfo = Path(link.replace("/fd/", "/fdinfo/")).read_text()
                marks[link] = len(re.findall("^fanotify .*mask:", fdinfo, re.MULTILINE))
    return marks


def answers(marks: int) -> dict[str, float]:
    """Serve and scan until a client has asked for ASK_SECONDS; return its figures."""
    (scanning,), (beside,) = (listen(["127.0.0.1:0"]) for _ in range(2))
    with host() as folder:
        other = os.fork()
        if not other:
            serve(beside)
            os._exit(0)
        group = make_group(marks, folder)
        client = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.groups", "ask"],
            env=os.environ | {"ASK": " ".join(map(address, (scanning, beside)))},
            stdout=subprocess.PIPE,
        )
        stopping, steps = threading.Event(), count()
        scans = threading.Thread(target=scan_on, args=(stopping, steps))
        scans.start()
        serve(scanning)
        stopping.set()
        scans.join()
        os.kill(other, signal.SIGTERM)
        os.waitpid(other, 0)
        figures: dict[str, float] = json.loads(client.communicate()[0])
        os.close(group)
    return figures | {"scans": next(steps)}


def serve(listening: socket.socket) -> None:
    """Serve until SIGTERM."""
    site = MetricsService(CollectorRegistry(), "/metrics", ready=lambda: True)
    asyncio.run(web.serve(site, [listening]))


def scan_on(stopping: threading.Event, steps: Iterator[int]) -> None:
    """Make full scans without rest."""
    scanner = restless()
    while not stopping.is_set():
        scanner.poll()
        next(steps)


def ask() -> dict[str, float]:
    """Ask the servers at $ASK in turn, then stop the first; return times in ms."""
    connections = [HTTPConnection(each) for each in os.environ["ASK"].split()]
    times: list[list[float]] = [[], []]
    end = time.monotonic() + ASK_SECONDS
    while time.monotonic() < end:
        for connection, took in zip(connections, times, strict=True):
            started = time.perf_counter()
            connection.request("GET", "/-/healthy")
            connection.getresponse().read()
            took.append((time.perf_counter() - started) * 1e3)
            time.sleep(ASK_EVERY_SECONDS)
    os.kill(os.getppid(), signal.SIGTERM)
    return {
        f"{server}_{name}": figure(took)
        for server, took in zip(SERVERS, times, strict=True)
        for name, figure in ANSWER_FIGURES.items()
    }


SERVERS = ("scanning", "beside")
ANSWER_FIGURES: dict[str, Callable[[list[float]], float]] = {
    "median": statistics.median,
    "p99": lambda took: statistics.quantiles(took, n=100)[-1],
    "longest": max,
}

VARIANTS: dict[str, Callable[[], dict[str, float]]] = {
    "ours": ours,
    "naive": naive,
    "answers": partial(answers, 0),
    "answers-huge": partial(answers, MARKS),
}


def report() -> None:
    """Run everything, print the tables."""
    runs = run_rounds("tools.bench.groups", list(VARIANTS), ROUNDS)
    print(
        f"\nLooking for groups: {PROCESSES} processes with {DESCRIPTORS} descriptors "
        f"each, CPU seconds,\nmedians of {ROUNDS} interleaved rounds\n"
    )
    print(cost_table(runs))
    kept = runs.median("ours", "kept_mb")
    print(f"\nThe kernel keeps {kept:.0f} MB more in its caches after the scans (ours)")
    print(
        "\nHow long two servers take for /-/healthy, ms, asked in turn for "
        f"{ASK_SECONDS:.0f} s in each\nof {ROUNDS} rounds: one makes full scans "
        "without rest, the other is a process beside it\n"
    )
    print(answer_table(runs))


def cost_table(runs: Runs) -> str:
    rows = []
    for what, figure in (("first full scan", "first_s"), ("later ones", "later_s")):
        mine, peer = (runs.median(each, figure) for each in ("ours", "naive"))
        rows.append((what, f"{mine:.2f}", f"{peer:.2f}", f"{mine / peer:.2f}"))
    for what, figure in (
        (f"a look at {LISTENERS} known groups", "look_s"),
        (f"reading one group of {MARKS} marks", "huge_s"),
    ):
        rows.append((what, f"{runs.median('ours', figure):.4f}", "", ""))
    return table(("what", "ours", "glob and readlink", "ratio"), rows)


def answer_table(runs: Runs) -> str:
    rows = []
    for variant, what in (
        ("answers", "full scans"),
        ("answers-huge", f"and a group of {MARKS} marks"),
    ):
        for server in SERVERS:
            cells = [
                f"{runs.median(variant, f'{server}_{name}'):.1f}"
                for name in ANSWER_FIGURES
            ]
            longest = max(run[f"{server}_longest"] for run in runs.figures[variant])
            rows.append((what, server, *cells, f"{longest:.1f}"))
    head = ("what", "server", "median", "99 %", "longest, median round", "longest")
    return table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="What looking for groups costs.")
    parser.add_argument("variant", nargs="?", choices=[*VARIANTS, "ask"])
    variant = parser.parse_args().variant
    if variant:
        print(json.dumps((VARIANTS | {"ask": ask})[variant]()), flush=True)
    else:
        report()


if __name__ == "__main__":
    main()
