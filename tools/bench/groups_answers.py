"""
The latency of an HTTP server while scans run in its process, for tools.bench.groups.

A client sends requests to two servers in turn: one runs in the process of the scans,
the other in a process of its own. The second server shows what the machine itself adds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import count

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.web.service import MetricsService
from fanotify_exporter.web.sockets import address, listen
from tools.bench.groups_host import host, make_group
from tools.harness.web_server import serve_until_sigterm


ASK_SECONDS = 10.0
# Pause of the client between two requests.
ASK_EVERY_SECONDS = 0.002
# Environment variable of the client with the addresses of the servers.
ADDRESSES = "BENCH_GROUPS_ADDRESSES"
SERVERS = ("scanning", "beside")
ANSWER_FIGURES: dict[str, Callable[[list[float]], float]] = {
    "median": statistics.median,
    "p99": lambda times: statistics.quantiles(times, n=100)[-1],
    "longest": max,
}


def endless_scanner() -> GroupScanner:
    """Return a scanner whose every poll is a full scan without cached results."""
    hours = count(step=36_000)
    return GroupScanner(ProcScan(), now=lambda: next(hours))


def answers(marks: int) -> dict[str, float]:
    """Serve and scan while a client sends requests; return the client's figures."""
    (scanning,), (beside,) = (listen(["127.0.0.1:0"]) for _ in range(2))
    with host() as folder:
        other = os.fork()
        if not other:
            serve(beside)
            os._exit(0)
        group = make_group(marks, folder)
        client = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.groups", "ask"],
            env=os.environ | {ADDRESSES: " ".join(map(address, (scanning, beside)))},
            stdout=subprocess.PIPE,
        )
        stopping, polls = threading.Event(), count()
        scans = threading.Thread(target=scan_on, args=(stopping, polls))
        scans.start()
        serve(scanning)
        stopping.set()
        scans.join()
        os.kill(other, signal.SIGTERM)
        os.waitpid(other, 0)
        figures: dict[str, float] = json.loads(client.communicate()[0])
        os.close(group)
    return figures | {"scans": next(polls)}


def serve(listening: socket.socket) -> None:
    """Serve until SIGTERM."""
    service = MetricsService(Registry({}), "/metrics", ready=lambda: True)
    asyncio.run(serve_until_sigterm(service, [listening]))


def scan_on(stopping: threading.Event, polls: Iterator[int]) -> None:
    """Make full scans without a pause, and count them with *polls*."""
    scanner = endless_scanner()
    while not stopping.is_set():
        scanner.poll()
        next(polls)


def ask() -> dict[str, float]:
    """Send requests to both servers in turn, then stop the first; return ms."""
    connections = [HTTPConnection(each) for each in os.environ[ADDRESSES].split()]
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
