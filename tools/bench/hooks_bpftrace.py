"""
The bpftrace programs that tools.bench.hooks compares the exporter's with.

Each program counts by the keys of the exporter: comm, flags, mask and result. Where the
entry has the arguments and the exit has the result, the program stores the arguments in
two maps, as the tools of bpftrace do. The variants called ``-tuple`` store both
arguments in one map.
"""

from __future__ import annotations

import json
import re
import subprocess

from fanotify_exporter.loader.tracefs import require_tracefs
from tools.bench.hooks_caller import RefusedError, check


COUNT = "@[comm, @flags[tid], @mask[tid], {result}] = count();"
DELETE = "delete(@flags[tid]); delete(@mask[tid]);"
COUNT_TUPLE = "$in = @in[tid]; @[comm, $in.0, $in.1, {result}] = count();"
KPROBE, KRETPROBE = "kprobe:do_fanotify_mark", "kretprobe:do_fanotify_mark"
ENTER, EXIT = (
    f"tracepoint:syscalls:sys_{edge}_fanotify_mark" for edge in ("enter", "exit")
)
BPFTRACE = {
    "fentry": (
        "kretfunc:do_fanotify_mark"
        " { @[comm, args->flags, args->mask, retval] = count(); }"
    ),
    "kprobe": (
        f"{KPROBE} {{ @flags[tid] = arg1; @mask[tid] = arg2; }}"
        f" {KRETPROBE} /@mask[tid]/ {{ {COUNT.format(result='retval')} {DELETE} }}"
    ),
    "kprobe-tuple": (
        f"{KPROBE} {{ @in[tid] = (arg1, arg2); }} {KRETPROBE}"
        f" {{ {COUNT_TUPLE.format(result='retval')} delete(@in[tid]); }}"
    ),
    "tracepoint": (
        f"{ENTER} {{ @flags[tid] = args->flags; @mask[tid] = args->mask; }}"
        f" {EXIT} /@mask[tid]/ {{ {COUNT.format(result='args->ret')} {DELETE} }}"
    ),
    "tracepoint-tuple": (
        f"{ENTER} {{ @in[tid] = (args->flags, args->mask); }} {EXIT}"
        f" {{ {COUNT_TUPLE.format(result='args->ret')} delete(@in[tid]); }}"
    ),
    # x86-64 only: offsets of orig_ax, si and dx in the saved user registers.
    "raw_tracepoint": (
        "rawtracepoint:sys_exit { if (*(uint64 *)(arg0 + 120) == 301)"
        " { @[comm, *(uint64 *)(arg0 + 104), *(uint64 *)(arg0 + 96), arg1]"
        " = count(); } }"
    ),
}


def bpftrace(name: str, caller: list[str]) -> dict[str, float]:
    """Time the calls of *caller*, which bpftrace starts after attaching."""
    require_tracefs()
    done = subprocess.run(
        ["bpftrace", "-e", BPFTRACE[name], "-c", *caller],
        check=False,
        capture_output=True,
        text=True,
    )
    output = re.search(r"^{.*}$", done.stdout, re.MULTILINE)
    if not output:
        raise RefusedError(f"not offered: {first_error(done.stderr)}")
    counts = re.findall(r"^@\[hooks_caller, .*\]: (\d+)$", done.stdout, re.MULTILINE)
    figures: dict[str, float] = json.loads(output[0])
    check(figures, sum(map(int, counts)))
    return figures


def first_error(stderr: str) -> str:
    """Return the first error of bpftrace, except errors about the memory limit."""
    lines = [line.strip() for line in stderr.splitlines() if "MEMLOCK" not in line]
    found = [line for line in lines if re.search(r"ERROR|FATAL|[Ff]ail", line)]
    return " ".join((found or lines or ["bpftrace printed no error"])[0].split())
