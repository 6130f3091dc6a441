"""Load the programs that count events of fanotify groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fanotify_exporter.bpf.loaded import LoadedEvents
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach import attach_probes, describe_probe, require_hook
from fanotify_exporter.loader.btf import Btf, BtfError, read_btf
from fanotify_exporter.loader.compile import compile_parts, import_bcc, llvm_version
from fanotify_exporter.loader.diagnostics import advise, captured_stderr
from fanotify_exporter.loader.events_methods import ADD_EVENT, INSERT_EVENT
from fanotify_exporter.loader.links import try_kprobe
from fanotify_exporter.loader.load import keep_attached, load_first
from fanotify_exporter.loader.maps import push_indexes, read_layouts, read_map_fds
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.system.machine import kernel_version


# The maps of bpf/events/listeners.bpf.c that the serving process reads.
SHARED_MAPS: Final = ("totals", "usage", "lost")

# Names of enum lost_reason in bpf/events/events.h, in its order, with the probe that
# loses.
LOST_REASONS: Final = ("event:no_entry",)

# LISTENERS in bpf/events/events.h
LISTENERS: Final = 256

# Since this version fsnotify_add_event() has four parameters (94e00d28a680), so the
# result is where the programs look for it.
FOUR_PARAMETERS: Final = (5, 13)

# By the operation of this name the programs tell inotify instances from fanotify
# groups (IS_FANOTIFY in bpf/events/structures.bpf.c).
INOTIFY_HANDLER: Final = "inotify_handle_inode_event"

# Macros of the parts, and the structure and the member of each offset.
_OFFSETS: Final = {
    "GROUP_OPS": ("fsnotify_group", "ops"),
    "GROUP_SHUTDOWN": ("fsnotify_group", "shutdown"),
    "OPS_HANDLE_EVENT": ("fsnotify_ops", "handle_event"),
    "MARK_GROUP": ("fsnotify_mark", "group"),
    "EVENT_MASK": ("fanotify_event", "mask"),
    "FILE_PRIVATE_DATA": ("file", "private_data"),
    "TASK_COMM": ("task_struct", "comm"),
    "TASK_GROUP_LEADER": ("task_struct", "group_leader"),
}

# Member of fanotify_group_private_data, which is in an unnamed union of fsnotify_group
# (include/linux/fsnotify_backend.h).
_FLAGS: Final = ("fanotify_group_private_data", "flags")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the programs count.

    Attributes:
        container: whether the listener's cgroup is a part of the key.
    """

    container: bool = False


def load(methods: Sequence[AttachMethod], settings: Settings) -> LoadedEvents:
    """
    Load by the first of *methods* that works.

    Raises:
        LoadError: no method works; with the reasons by hook, and what to do.
    """
    bcc = import_bcc()
    try:
        btf = read_btf()
        macros = read_offsets(btf)
        function = find_function(btf, kernel_version())
    except BtfError as error:
        raise LoadError(
            f"cannot attach to event: {error}",
            "The programs need the kernel's type information (CONFIG_DEBUG_INFO_BTF).",
        ) from error
    if function == ADD_EVENT:
        macros["ADD_EVENT"] = 1
    if settings.container:
        macros["CONTAINER"] = 1
    named = [with_function(method, function) for method in methods]
    return load_first(named, lambda method: _load_method(bcc, method, macros))


def read_offsets(btf: Btf) -> dict[str, int]:
    """
    Return the macros with the offsets of members, in bytes.

    Raises:
        BtfError: the BTF lacks a name; the text has the name.
    """
    offsets = {name: btf.offset(*member) for name, member in _OFFSETS.items()}
    flags = btf.unnamed_offset("fsnotify_group") + btf.offset(*_FLAGS)
    return offsets | {"GROUP_FLAGS": flags}


def find_function(btf: Btf, version: tuple[int, int]) -> str:
    """
    Return the function that gives an event to the queue of its group.

    Raises:
        LoadError: the programs do not fit the kernel *version*.
    """
    if btf.has_name(INOTIFY_HANDLER):
        if btf.has_name(INSERT_EVENT):
            return INSERT_EVENT
        if version >= FOUR_PARAMETERS and btf.has_name(ADD_EVENT):
            return ADD_EVENT
    raise LoadError(
        "cannot attach to event: events are counted since Linux 5.13, and since "
        "5.10.220 of its series",
    )


def with_function(method: AttachMethod, function: str) -> AttachMethod:
    """Return *method* for the kernel's name of INSERT_EVENT."""
    probes = (
        replace(
            spec,
            attach_point=function,
            function=spec.function.replace(INSERT_EVENT, function),
        )
        if spec.attach_point == INSERT_EVENT
        else spec
        for spec in method.probes
    )
    return replace(method, probes=tuple(probes))


def _load_method(
    bcc: Any, method: AttachMethod, macros: dict[str, int]
) -> LoadedEvents:
    require_hook(method.hook)
    if method.hook == "kprobe":
        try_kprobe(method.probes[0].attach_point)
    with captured_stderr() as summarize:
        try:
            bpf = compile_parts(bcc, method.sources, macros)
            push_indexes(bpf[b"free_totals"], range(LISTENERS))
            fds = attach_probes(bpf, method.hook, method.probes)
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(summarize() or str(error), advise()) from error
    keep_attached(bpf)
    return LoadedEvents(
        hook=method.hook,
        probes=tuple(describe_probe(method.hook, spec) for spec in method.probes),
        layouts=read_layouts(bpf, SHARED_MAPS),
        lost_reasons=LOST_REASONS,
        bcc=bcc.__version__,
        llvm=llvm_version(),
        fds=read_map_fds(bpf, SHARED_MAPS) | fds,
    )
