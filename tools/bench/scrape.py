"""
Measure a scrape of 10,000 keys, from kernel to text: `python -m tools.bench.scrape`.

Both variants count the same 10,000 calls, each with a different key: 100 comms and 100
masks. The calls of every tenth comm fail. The variant ``items`` does the same as most
exporters with bcc: items() of a hash, then add_metric(), generate_latest() and gzip of
prometheus_client. Prints figures as JSON. Needs root.
"""

from __future__ import annotations

import argparse
import ctypes
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.openmetrics.exposition import (
    generate_latest as generate_openmetrics,
)

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.samples import Call
from fanotify_exporter.collectors.exporter_health import (
    ExporterHealthCollector,
    ProgramSet,
)
from fanotify_exporter.collectors.mark_calls import FANOTIFY_MARK, MarkCallsCollector
from fanotify_exporter.loader import run
from fanotify_exporter.loader.compile import import_bcc
from fanotify_exporter.loader.tracefs import require_tracefs
from fanotify_exporter.metrics.caching import OncePerScrape
from fanotify_exporter.metrics.exposition import OPENMETRICS, TEXT, Format
from fanotify_exporter.metrics.pages import ScrapePages
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.uapi.comm import comm_text


# Repetitions of each measurement.
REPEATS = 15
COMMS, MASKS = 100, 100
BCC_PROGRAM = """
#include <linux/types.h>
#include <user_regs.h>
struct key { u64 mask; u32 flags; s32 error; char comm[16]; };
BPF_HASH(calls, struct key, u64, 16384);
TRACEPOINT_PROBE(syscalls, sys_exit_fanotify_mark) {
    struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    struct key key = { .mask = NATIVE_ARG3(regs), .flags = NATIVE_ARG2(regs) };
    key.error = args->ret < 0 ? -args->ret : 0;
    bpf_get_current_comm(key.comm, sizeof(key.comm));
    calls.increment(key);
    return 0;
}
"""


def make_calls() -> None:
    """Make each of the 10,000 calls once; 300 and 301 are the numbers on x86-64."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.syscall(300, 0, 0)
    for number in range(COMMS):
        libc.prctl(15, b"bench%d" % number)
        for mask in range(1, MASKS + 1):
            flags = 1 if number % 10 else 0
            libc.syscall(301, group, flags, ctypes.c_uint64(mask), -100, b"/tmp")


def ours() -> dict[str, float]:
    """Measure the exporter."""
    loaded = run.load("auto", 16384, 1)
    maps = CallMaps(loaded)
    make_calls()
    read = OncePerScrape(maps.read)
    registry = Registry(
        {
            "mark_calls": MarkCallsCollector(read),
            "exporter_health": ExporterHealthCollector(
                loaded.bcc, [ProgramSet("calls", loaded.probes, read)]
            ),
        },
        [read],
    )

    def page(form: Format, *, zipped: bool) -> bytes:
        pages = ScrapePages(registry.scrape())
        body = pages.body(form, registry.everything, gzip=zipped)
        pages.scrape.end()
        return b"".join(body.pieces)

    return {
        "keys": len(maps.read().calls["fanotify_mark"]),
        "read_ms": milliseconds(maps.read),
        "text_ms": milliseconds(lambda: page(TEXT, zipped=False)),
        "gzip_ms": milliseconds(lambda: page(OPENMETRICS, zipped=True)),
        "gzip_bytes": len(page(OPENMETRICS, zipped=True)),
    }


def items() -> dict[str, float]:
    """Measure the read by bcc and the encoder of prometheus_client, with one family."""
    require_tracefs()
    calls = import_bcc().BPF(text=BCC_PROGRAM)[b"calls"]
    make_calls()

    class Peer:
        def collect(self) -> list[Metric]:
            family = CounterMetricFamily(
                "fanotify_mark_calls", "Calls.", labels=FANOTIFY_MARK.labels
            )
            for key, count in calls.items():
                call = Call(
                    comm_text(key.comm), key.flags, key.mask, key.error, count.value, 0
                )
                family.add_metric(FANOTIFY_MARK.values(call), call.count)
            return [family]

    return {
        "keys": len(calls.items()),
        "read_ms": milliseconds(calls.items),
        "text_ms": milliseconds(lambda: generate_latest(Peer())),
        "gzip_ms": milliseconds(lambda: gzip.compress(generate_openmetrics(Peer()))),  # type: ignore[no-untyped-call]
        "gzip_bytes": len(gzip.compress(generate_openmetrics(Peer()))),  # type: ignore[no-untyped-call]
    }


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median CPU time of *work* in ms."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.scrape",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("variant", choices=("ours", "items"))
    measure = {"ours": ours, "items": items}[parser.parse_args().variant]
    print(json.dumps(measure()), flush=True)
    os._exit(0)  # without the exit handlers of bcc, which detach slowly
