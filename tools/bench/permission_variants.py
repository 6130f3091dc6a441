"""
The variants of tools.bench.permission: which programs see the waits.

- ``bare``: no program;
- ``empty-HOOK-wait``: programs that only return, at the begin and the end of a wait;
- ``empty-HOOK``: these and programs at the answer: at all functions of ours;
- ``ours-METHOD``: the exporter's programs;
- ``events-METHOD``: the exporter's programs that count events, without the others.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fanotify_exporter.bpf.event_maps import EventMaps
from fanotify_exporter.bpf.permission_maps import PermissionMaps
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach import require_hook
from fanotify_exporter.loader.compile import import_bcc
from fanotify_exporter.loader.events_methods import EVENTS_METHODS
from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS
from tools.bench.hooks_caller import RefusedError, build_caller, run_caller
from tools.bench.hooks_variants import compiled


SOURCE = Path(__file__).with_name("permission_caller.c")
# Environment variable with the path of the compiled C program, so that a variant's
# process need not compile the program again.
BUILT = "BENCH_PERMISSION_CALLER"
HOOKS = ("fentry", "kprobe")
# The first 15 bytes of the C program's name.
COMM = SOURCE.stem[:15]

ENTRY, RETURN = "entry", "return"
PREPARE, FINISH = "fsnotify_prepare_user_wait", "fsnotify_finish_user_wait"
WRITE = "fanotify_write"
# Where the programs of a hook are attached. A return probe alone gets no arguments.
WAIT = {
    "fentry": ((RETURN, PREPARE), (ENTRY, FINISH)),
    "kprobe": ((ENTRY, PREPARE), (RETURN, PREPARE), (ENTRY, FINISH)),
}
ANSWER = ((ENTRY, WRITE), (RETURN, WRITE))
# bcc attaches a function by the name's first part. Since bcc 0.28 the name of a fentry
# program contains the kernel module.
PREFIXES = {
    ("fentry", ENTRY): "kfunc__",
    ("fentry", RETURN): "kretfunc__",
    ("kprobe", ENTRY): "kprobe__",
    ("kprobe", RETURN): "kretprobe__",
}


def bare(caller: list[str]) -> dict[str, float]:
    """Time the opens without a program."""
    return run_caller(caller)


def empty(
    hook: str, places: Sequence[tuple[str, str]], caller: list[str]
) -> dict[str, float]:
    """Time the opens with programs that only return at *places*."""
    require_hook(hook)
    module = "vmlinux__" if hook == "fentry" and names_module() else ""
    text = "".join(
        f"int {PREFIXES[hook, side]}{module}{function}(void *ctx) {{ return 0; }}\n"
        for side, function in places
    )
    with compiled(text):
        pass  # bcc attaches the programs until this process ends
    return run_caller(caller)


def ours(method: str, caller: list[str]) -> dict[str, float]:
    """Time the opens with the exporter's programs, which must count each wait."""
    loaded = run.load_permission(method)
    figures = run_caller(caller)
    totals = PermissionMaps(loaded).read().totals
    require_all(
        sum(each.ends["answered"] for each in totals if each.comm == COMM), figures
    )
    return figures


def events(method: str, caller: list[str]) -> dict[str, float]:
    """Time the opens with the programs that count events: one for each wait."""
    loaded = run.load_events(method)
    figures = run_caller(caller)
    listeners = EventMaps(loaded).read().listeners
    require_all(
        sum(each.outcomes["queued"] for each in listeners if each.comm == COMM), figures
    )
    return figures


def require_all(counted: int, figures: dict[str, float]) -> None:
    """
    Check that the programs *counted* each wait of *figures*.

    Raises:
        RefusedError: the programs missed some.
    """
    if counted != figures["waits"]:
        raise RefusedError(f"counted {counted} of {figures['waits']:.0f} waits")


def names_module() -> bool:
    """Return whether bcc expects the kernel module in the name of a fentry program."""
    version = import_bcc().__version__.split(".")
    return tuple(map(int, version[:2])) >= (0, 28)


def variants() -> dict[str, Callable[[list[str]], dict[str, float]]]:
    """Return the functions that run the variants, by name of the variant."""
    found: dict[str, Callable[[list[str]], dict[str, float]]] = {"bare": bare}
    for hook in HOOKS:
        found[f"empty-{hook}-wait"] = partial(empty, hook, WAIT[hook])
        found[f"empty-{hook}"] = partial(empty, hook, (*WAIT[hook], *ANSWER))
    for method in PERMISSION_METHODS:
        found[f"ours-{method.name}"] = partial(ours, method.name)
    for method in EVENTS_METHODS:
        found[f"events-{method.name}"] = partial(events, method.name)
    return found


@contextmanager
def built_caller() -> Iterator[None]:
    """Compile the C program once for all variants of the block."""
    with tempfile.TemporaryDirectory() as folder:
        (os.environ[BUILT],) = build_caller(folder, SOURCE)
        yield


def measure(variant: str) -> dict[str, Any]:
    """Return the figures of *variant*, or the reason why it cannot run here."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return dict(variants()[variant]([os.environ[BUILT]]))
        except LoadError as error:
            return {"refused": f"not offered: {error.why}"}
        except RefusedError as error:
            return {"refused": str(error)}
