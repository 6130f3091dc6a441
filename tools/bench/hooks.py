"""
What a probe costs a call, hook by hook: ours, an empty program, bpftrace.

Each variant runs the same C loop (hooks_caller.c) in a process of its own, since
bcc leaves probes attached as long as the process lives:

- ``bare``: no probe;
- ``empty-RUNG``: a program that only returns, attached as the exporter does;
- ``ours-RUNG``: the exporter's own program;
- ``pair-kprobe``: bcc's usual way there, entry and return with an in-flight map;
- ``bpftrace-HOOK``: bpftrace's one-liner with the same keys and result. Where the
  entry has the arguments and the exit has the result, it keeps them in two maps, as
  bpftrace's own tools do; ``-tuple`` keeps both in one.

What counts is held to have counted: its sum must equal the calls made.

``python -m tools.bench.hooks [VARIANT] [--hooks HOOK ...] [--rounds N]``, as root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach import attach_probes
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS, AttachMethod
from fanotify_exporter.loader.compile import import_bcc
from fanotify_exporter.loader.diagnostics import captured_stderr
from fanotify_exporter.loader.tracefs import require_tracefs
from tools.bench.rounds import ROUNDS, Runs, run_rounds, table


CALLER = Path(__file__).with_name("hooks_caller.c")
BUILT = "BENCH_HOOKS_CALLER"
"""Tells the variants' processes where the C loop is, so that each need not build it."""

MAX_ENTRIES = 8192
CALLS = ("failing", "succeeding", "getppid")
HOOKS = tuple(dict.fromkeys(method.hook for method in ATTACH_METHODS))

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
    # x86-64 only: orig_ax, si and dx of the saved user registers.
    "raw_tracepoint": (
        "rawtracepoint:sys_exit { if (*(uint64 *)(arg0 + 120) == 301)"
        " { @[comm, *(uint64 *)(arg0 + 104), *(uint64 *)(arg0 + 96), arg1]"
        " = count(); } }"
    ),
}

EMPTY = """
#ifdef MODULE_KRETFUNC_PROBE
int {new}(void *ctx) {{ return 0; }}
#else
int {old}(void *ctx) {{ return 0; }}
#endif
"""
"""bcc 0.28 put the kernel module into the names of fexit programs."""

PAIR = """
#include <linux/types.h>
#include <user_regs.h>
struct args { u64 flags, mask; };
struct key { u64 mask; u32 flags; s32 result; char comm[16]; };
BPF_HASH(in_flight, u64, struct args);
BPF_HASH(calls, struct key, u64);
int keep(struct pt_regs *ctx) {
    u64 thread = bpf_get_current_pid_tgid();
    struct args args = { .flags = NATIVE_ARG2(ctx), .mask = NATIVE_ARG3(ctx) };
    in_flight.update(&thread, &args);
    return 0;
}
int count(struct pt_regs *ctx) {
    u64 thread = bpf_get_current_pid_tgid();
    struct args *args = in_flight.lookup(&thread);
    if (!args)
        return 0;
    struct key key = { .flags = args->flags, .mask = args->mask };
    key.result = REGS_RESULT(ctx);
    bpf_get_current_comm(key.comm, sizeof(key.comm));
    calls.increment(key);
    in_flight.delete(&thread);
    return 0;
}
"""
"""do_fanotify_mark has flags and mask where the system call has them."""

TARGETS = (
    ("ours-fexit", "bpftrace-fentry", 0.75),
    ("ours-fexit_wrappers", "bpftrace-fentry", None),
    ("ours-kretprobe", "pair-kprobe", 0.5),
    ("ours-kretprobe", "bpftrace-kprobe", 0.5),
    ("ours-kretprobe", "bpftrace-kprobe-tuple", None),
    ("ours-sys_exit", "bpftrace-tracepoint", 0.35),
    ("ours-sys_exit", "bpftrace-tracepoint-tuple", None),
    ("ours-sys_exit", "ours-sys_enter_exit", None),
    ("ours-sys_enter_exit", "bpftrace-tracepoint", None),
    ("ours-raw_sys_exit", "bpftrace-raw_tracepoint", None),
)
"""(variant, peer, at most this ratio of the added costs: the project's target)."""


class RefusedError(Exception):
    """There is no figure: this kernel or bpftrace lacks the variant, or it lied."""


def build_caller(folder: str) -> list[str]:
    """Compile the C loop into *folder*; return the command that runs it."""
    program = f"{folder}/hooks_caller"
    subprocess.run(["gcc", "-O2", "-o", program, CALLER], check=True)
    return [program]


def run_caller(caller: list[str]) -> dict[str, float]:
    output = subprocess.run(caller, check=True, stdout=subprocess.PIPE).stdout
    return dict(json.loads(output))


def bare(caller: list[str]) -> dict[str, float]:
    """Time the calls with no probe."""
    return run_caller(caller)


def empty(method: AttachMethod, caller: list[str]) -> dict[str, float]:
    """Time the calls with programs that only return."""
    require_tracefs()
    hooks = [hook for hook in method.probes if hook.syscall == "fanotify_mark"]
    functions = dict.fromkeys(hook.function for hook in hooks)
    text = "".join(
        EMPTY.format(old=name, new=name.replace("kretfunc__", "kretfunc__vmlinux__", 1))
        for name in functions
    )
    with compiled(text) as bpf:
        attach_probes(bpf, method.hook, hooks)
    return run_caller(caller)


@contextmanager
def compiled(text: str) -> Iterator[Any]:
    """Yield bcc's object for *text*; what it raises until the end is a refusal."""
    bcc = import_bcc()
    with captured_stderr() as words:
        try:
            yield bcc.BPF(text=text)
        except Exception as error:
            raise RefusedError(f"not offered: {words() or error}") from error


def pair(caller: list[str]) -> dict[str, float]:
    """Time the calls with a kprobe, a kretprobe and a map between them."""
    require_tracefs()
    with compiled(PAIR) as bpf:
        bpf.attach_kprobe(event=b"do_fanotify_mark", fn_name=b"keep")
        bpf.attach_kretprobe(event=b"do_fanotify_mark", fn_name=b"count")
    figures = run_caller(caller)
    counts = bpf[b"calls"].items()
    check(figures, sum(n.value for key, n in counts if key.comm == b"hooks_caller"))
    return figures


def ours(method: AttachMethod, caller: list[str]) -> dict[str, float]:
    """Time the calls with the exporter's program."""
    loaded = run.load(method.name, MAX_ENTRIES)
    figures = run_caller(caller)
    calls = CallMaps(loaded).read().calls["fanotify_mark"]
    check(figures, sum(call.count for call in calls if call.comm == "hooks_caller"))
    return figures


def bpftrace(name: str, caller: list[str]) -> dict[str, float]:
    """Time the calls as bpftrace's child, which it starts when all is attached."""
    require_tracefs()
    done = subprocess.run(
        ["bpftrace", "-e", BPFTRACE[name], "-c", *caller],
        check=False,
        capture_output=True,
        text=True,
    )
    figures = re.search(r"^{.*}$", done.stdout, re.MULTILINE)
    if not figures:
        raise RefusedError(f"not offered: {why_not(done.stderr)}")
    counts = re.findall(r"^@\[hooks_caller, .*\]: (\d+)$", done.stdout, re.MULTILINE)
    answer: dict[str, float] = json.loads(figures[0])
    check(answer, sum(map(int, counts)))
    return answer


def why_not(stderr: str) -> str:
    """Pick the first complaint of bpftrace that is not about its memory limit."""
    lines = [line.strip() for line in stderr.splitlines() if "MEMLOCK" not in line]
    found = [line for line in lines if re.search(r"ERROR|FATAL|[Ff]ail", line)]
    return " ".join((found or lines or ["bpftrace said nothing"])[0].split())


def check(figures: Mapping[str, float], counted: int) -> None:
    """Refuse the figures of a probe that did not count every call."""
    if counted != figures["marks"]:
        raise RefusedError(f"counted {counted} of {figures['marks']:.0f} calls")


def variants(hooks: Iterable[str] = HOOKS) -> dict[str, Callable[..., Any]]:
    """Return each variant of *hooks* and what runs it, given the C loop's command."""
    found: dict[str, Callable[..., Any]] = {"bare": bare}
    for hook in hooks:
        methods = [method for method in ATTACH_METHODS if method.hook == hook]
        for kind in (empty, ours):
            for method in methods:
                found[f"{kind.__name__}-{method.name}"] = partial(kind, method)
        if hook == "kprobe":
            found["pair-kprobe"] = pair
        for name in BPFTRACE:
            if name.removesuffix("-tuple") == hook:
                found[f"bpftrace-{name}"] = partial(bpftrace, name)
    return found


def measure(variant: str) -> dict[str, Any]:
    """Return the variant's figures, or why it is refused here."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        built = os.environ.get(BUILT)
        caller = [built] if built else build_caller(folder)
        try:
            return dict(variants()[variant](caller))
        except LoadError as error:
            return {"refused": f"not offered: {error.why}"}
        except RefusedError as error:
            return {"refused": str(error)}


def added(runs: Runs, variant: str, call: str) -> float:
    """Return what the variant adds to a call, in ns."""
    return runs.median(variant, call) - runs.median("bare", call)


def cost_table(runs: Runs, order: Iterable[str]) -> str:
    """Return ns per call of bare, and what each variant adds to that."""
    rows: list[tuple[str, ...]] = []
    for variant in order:
        if variant in runs.refused:
            rows.append((variant, runs.refused[variant], "", ""))
        elif variant == "bare":
            cells = [f"{runs.median(variant, call):.0f}" for call in CALLS]
            rows.append((variant, *cells))
        else:
            cells = [f"{added(runs, variant, call):+.0f}" for call in CALLS]
            rows.append((variant, *cells))
    return table(("variant", "failing call", "succeeding call", "getppid"), rows)


def ratio_table(runs: Runs) -> str:
    """
    Return the ratios of the added costs, the targets beside them.

    A target is held against the failing call, the same few instructions every
    time; a succeeding one varies by more than a cheap probe adds to it.
    """
    rows = []
    for variant, peer, target in TARGETS:
        limit = "" if target is None else f"{target}"
        if variant in runs.figures and peer in runs.figures:
            ratios = [
                added(runs, variant, call) / added(runs, peer, call)
                for call in ("failing", "succeeding")
            ]
            met = "" if target is None else "yes" if ratios[0] <= target else "no"
            rows.append((variant, peer, *(f"{r:.2f}" for r in ratios), limit, met))
        elif {variant, peer} & {*runs.refused} and limit:
            rows.append((variant, peer, "", "", limit, "not measured"))
    return table(("variant", "peer", "failing", "succeeding", "at most", "met"), rows)


def tax_line(runs: Runs) -> str:
    """Say how much getppid varied with no probe: less than that is no tax."""
    alone = [run["getppid"] for run in runs.figures["bare"]]
    return f"getppid with no probe varied by {max(alone) - min(alone):.0f} ns"


def report(hooks: Iterable[str] = HOOKS, rounds: int = ROUNDS) -> None:
    """Run everything, print the tables."""
    order = list(variants(hooks))
    with tempfile.TemporaryDirectory() as folder:
        (os.environ[BUILT],) = build_caller(folder)
        runs = run_rounds("tools.bench.hooks", order, rounds)
    print(
        f"\nWhat a probe adds to a call on Linux {os.uname().release}, ns of CPU time,"
        f"\nmedians of {rounds} interleaved rounds; {tax_line(runs)}\n"
    )
    print(cost_table(runs, order))
    print("\nRatios of the added cost\n")
    print(ratio_table(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description="What a probe costs a call.")
    parser.add_argument("variant", nargs="?", choices=variants())
    parser.add_argument("--hooks", nargs="+", choices=HOOKS, default=HOOKS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant)), flush=True)
        os._exit(0)
    report(options.hooks, options.rounds)


if __name__ == "__main__":
    main()
