"""
The variants of tools.bench.hooks: how each attaches a probe and times the calls.

- ``bare``: no probe;
- ``empty-METHOD``: programs that only return, attached by an attach method;
- ``ours-METHOD``: the exporter's programs;
- ``pair-kprobe``: entry and return with a map of calls in flight, as in the tools of
  bcc;
- ``bpftrace-HOOK``: see tools.bench.hooks_bpftrace.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach import attach_probes
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.compile import import_bcc
from fanotify_exporter.loader.diagnostics import captured_stderr
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.tracefs import require_tracefs
from tools.bench.hooks_bpftrace import BPFTRACE, bpftrace
from tools.bench.hooks_caller import RefusedError, build_caller, check, run_caller


# Environment variable with the path of the compiled C loop, so that a variant's process
# need not compile it again.
BUILT = "BENCH_HOOKS_CALLER"
MAX_ENTRIES = 8192
HOOKS = tuple(dict.fromkeys(method.hook for method in ATTACH_METHODS))

# Since bcc 0.28 the name of an fexit program contains the kernel module.
EMPTY = """
#ifdef MODULE_KRETFUNC_PROBE
int {new}(void *ctx) {{ return 0; }}
#else
int {old}(void *ctx) {{ return 0; }}
#endif
"""

# The entry program stores the arguments for the return program. The second and third
# argument of do_fanotify_mark() are flags and mask, as in the system call.
PAIR = """
#include <linux/types.h>
#include <user_regs.h>
struct args { u64 flags, mask; };
struct key { u64 mask; u32 flags; s32 result; char comm[16]; };
BPF_HASH(in_flight, u64, struct args);
BPF_HASH(calls, struct key, u64);
int enter(struct pt_regs *ctx) {
    u64 thread = bpf_get_current_pid_tgid();
    struct args args = { .flags = NATIVE_ARG2(ctx), .mask = NATIVE_ARG3(ctx) };
    in_flight.update(&thread, &args);
    return 0;
}
int leave(struct pt_regs *ctx) {
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


def bare(caller: list[str]) -> dict[str, float]:
    """Time the calls without a probe."""
    return run_caller(caller)


def empty(method: AttachMethod, caller: list[str]) -> dict[str, float]:
    """Time the calls with programs that only return, attached by *method*."""
    require_tracefs()
    specs = [spec for spec in method.probes if spec.name == "fanotify_mark"]
    functions = dict.fromkeys(name for spec in specs for name in spec.functions)
    text = "".join(
        EMPTY.format(old=name, new=name.replace("kretfunc__", "kretfunc__vmlinux__", 1))
        for name in functions
    )
    with compiled(text) as bpf:
        attach_probes(bpf, method.hook, specs)
    return run_caller(caller)


@contextmanager
def compiled(text: str) -> Iterator[Any]:
    """
    Compile *text* and yield bcc's object.

    Raises:
        RefusedError: the compiler failed, or the block did.
    """
    bcc = import_bcc()
    with captured_stderr() as output:
        try:
            yield bcc.BPF(text=text)
        except Exception as error:
            raise RefusedError(f"not offered: {output() or error}") from error


def pair(caller: list[str]) -> dict[str, float]:
    """Time the calls with a kprobe, a kretprobe and a map between them."""
    require_tracefs()
    with compiled(PAIR) as bpf:
        bpf.attach_kprobe(event=b"do_fanotify_mark", fn_name=b"enter")
        bpf.attach_kretprobe(event=b"do_fanotify_mark", fn_name=b"leave")
    figures = run_caller(caller)
    counts = bpf[b"calls"].items()
    check(figures, sum(n.value for key, n in counts if key.comm == b"hooks_caller"))
    return figures


def ours(method: AttachMethod, caller: list[str]) -> dict[str, float]:
    """Time the calls with the exporter's programs, attached by *method*."""
    loaded = run.load(method.name, MAX_ENTRIES, MAX_ENTRIES)
    figures = run_caller(caller)
    calls = CallMaps(loaded).read().calls["fanotify_mark"]
    check(figures, sum(call.count for call in calls if call.comm == "hooks_caller"))
    return figures


def variants(hooks: Iterable[str] = HOOKS) -> dict[str, Callable[..., Any]]:
    """Return the functions that run the variants of *hooks*, by name of the variant."""
    found: dict[str, Callable[..., Any]] = {"bare": bare}
    for hook in hooks:
        methods = [method for method in ATTACH_METHODS if method.hook == hook]
        for measured in (empty, ours):
            for method in methods:
                name = f"{measured.__name__}-{method.name}"
                found[name] = partial(measured, method)
        if hook == "kprobe":
            found["pair-kprobe"] = pair
        for name in BPFTRACE:
            if name.removesuffix("-tuple") == hook:
                found[f"bpftrace-{name}"] = partial(bpftrace, name)
    return found


def measure(variant: str) -> dict[str, Any]:
    """Return the figures of *variant*, or the reason why it cannot run here."""
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
