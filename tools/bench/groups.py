"""
Measure what the search for fanotify groups costs: `python -m tools.bench.groups`.

Each variant runs on a host with 2,000 processes and 100,000 descriptors:

- ``ours``: full scans of /proc, the polls between them, which read the marks again, and
  a group with 90,000 marks;
- ``iterator``: passes of the kernel's iterator over all open files, with the queues;
- ``naive``: glob, readlink and read, as a script does;
- ``answers``: the latency of an HTTP server while full scans run in its process, and of
  a server in another process;
- ``answers-huge``: as ``answers``, with a group with 90,000 marks that each scan reads.

Needs root.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from glob import glob
from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.fsnotify.descriptors import GROUP_LINK
from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.file_iter import FileIterator
from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import Group
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from fanotify_exporter.loader.run import load_fsnotify
from fanotify_exporter.procfs.process import opened_process, read_fdinfo
from tools.bench.groups_answers import (
    ANSWER_FIGURES,
    ASK_SECONDS,
    SERVERS,
    answers,
    ask,
    endless_scanner,
)
from tools.bench.groups_host import (
    DESCRIPTORS,
    LISTENERS,
    PROCESSES,
    host,
    make_group,
)
from tools.bench.rounds import Runs, run_rounds, table


MARKS = 90_000
REPEATS = 5
ROUNDS = 3


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of *work*."""
    started = time.process_time()
    work()
    return time.process_time() - started


def repeated(work: Callable[[], object]) -> dict[str, float]:
    """Return the median CPU time of *work*, without that of the first run."""
    work()
    return {"seconds": statistics.median(cpu_seconds(work) for _ in range(REPEATS))}


def ours() -> dict[str, float]:
    """Time full scans, polls between them, and the reading of a huge group."""
    with host() as folder:
        before = reclaimable_mb()
        figures = repeated(endless_scanner().poll)
        cached = reclaimable_mb() - before
        # Groups are read again once a second by this clock.
        seconds = itertools.count()
        scanner = GroupScanner(ProcScan(interval=86_400), now=lambda: next(seconds))
        scanner.poll()
        poll = statistics.median(cpu_seconds(scanner.poll) for _ in range(20))
        group = make_group(MARKS, folder)
        huge = statistics.median(
            cpu_seconds(partial(read_group, group)) for _ in range(REPEATS)
        )
        os.close(group)
    return figures | {"poll_s": poll, "huge_s": huge, "cached_mb": cached}


def iterator() -> dict[str, float | str]:
    """Time passes of the kernel's iterator over open files."""
    try:
        loaded = load_fsnotify()
    except LoadError as error:
        return {"refused": error.why}
    with host():
        passes = FileIterator(loaded)
        assert len(passes.list().files) >= LISTENERS
        return dict(repeated(passes.list))


def reclaimable_mb() -> float:
    """Return the size of the kernel's caches that can be freed (SReclaimable), MB."""
    meminfo = Path("/proc/meminfo").read_text()
    found = re.search(r"^SReclaimable: +(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def read_group(fd: int) -> Group | None:
    """Read the group *fd* of this process as a scan does."""
    with opened_process(os.getpid()) as process:
        return parse_fdinfo(read_fdinfo(process, fd))


def naive() -> dict[str, float]:
    """Time the search of a simple script."""
    with host():
        return repeated(naive_walk)


def naive_walk() -> dict[str, int]:
    """Return the number of marks of each descriptor of a group."""
    marks = {}
    for link in glob("/proc/[0-9]*/fd/*"):  # noqa: PTH207  as scripts do
        with suppress(OSError):
            if os.readlink(link) == GROUP_LINK:  # noqa: PTH115
                fdinfo = Path(link.replace("/fd/", "/fdinfo/")).read_text()
                marks[link] = len(re.findall("^fanotify .*mask:", fdinfo, re.MULTILINE))
    return marks


VARIANTS: dict[str, Callable[[], Mapping[str, float | str]]] = {
    "ours": ours,
    "iterator": iterator,
    "naive": naive,
    "answers": partial(answers, 0),
    "answers-huge": partial(answers, MARKS),
}


def report() -> None:
    """Run all variants in rounds and print the tables."""
    runs = run_rounds("tools.bench.groups", list(VARIANTS), ROUNDS)
    print(
        f"\nSearch for groups: {PROCESSES} processes with {DESCRIPTORS} descriptors "
        f"each, CPU seconds,\nmedians of {ROUNDS} interleaved rounds\n"
    )
    print(cost_table(runs))
    cached = runs.median("ours", "cached_mb")
    print(f"\nThe kernel's caches are {cached:.0f} MB larger after the scans")
    print(
        "\nLatency of /-/healthy on two servers, ms, requests in turn for "
        f"{ASK_SECONDS:.0f} s in each\nof {ROUNDS} rounds: one server's process makes "
        "full scans without pause\n"
    )
    print(answer_table(runs))


def cost_table(runs: Runs) -> str:
    """Return a table of CPU seconds."""
    peer = runs.median("naive", "seconds")
    scan = runs.median("ours", "seconds")
    rows: list[tuple[str, ...]] = [
        ("glob and readlink", f"{peer:.3f}", "", ""),
        ("a full scan of /proc", f"{scan:.3f}", f"{scan / peer:.3f}", ""),
    ]
    if why := runs.refused.get("iterator"):
        rows.append(("a pass of the iterator", why, "", ""))
    else:
        one = runs.median("iterator", "seconds")
        ratios = (f"{one / each:.3f}" for each in (peer, scan))
        rows.append(("a pass of the iterator", f"{one:.3f}", *ratios))
    for what, figure in (
        (f"a poll that reads {LISTENERS} groups", "poll_s"),
        (f"reading one group of {MARKS} marks", "huge_s"),
    ):
        rows.append((what, f"{runs.median('ours', figure):.4f}", "", ""))
    return table(("what", "CPU s", "of glob's", "of a scan's"), rows)


def answer_table(runs: Runs) -> str:
    """Return a table of latencies."""
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
    """Parse the command line; run one variant, or all variants in rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.groups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one = "run only this variant, and print its figures as JSON"
    choices = [*VARIANTS, "ask"]
    parser.add_argument(
        "variant", nargs="?", choices=choices, metavar="VARIANT", help=one
    )
    variant = parser.parse_args().variant
    if variant:
        print(json.dumps((VARIANTS | {"ask": ask})[variant]()), flush=True)
    else:
        report()


if __name__ == "__main__":
    main()
