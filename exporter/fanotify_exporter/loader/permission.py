"""Load the programs that count permission waits, and the iterator of waiting tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach import attach_probes, describe_probe, require_hook
from fanotify_exporter.loader.btf import Btf, BtfError, read_btf
from fanotify_exporter.loader.compile import compile_parts, import_bcc, llvm_version
from fanotify_exporter.loader.diagnostics import advise, captured_stderr
from fanotify_exporter.loader.iterator import load_iterator
from fanotify_exporter.loader.links import try_kprobe
from fanotify_exporter.loader.load import keep_attached, load_first
from fanotify_exporter.loader.maps import push_indexes, read_layouts, read_map_fds
from fanotify_exporter.loader.methods import AttachMethod


# The maps of bpf/permission/groups.bpf.c that the serving process reads.
SHARED_MAPS: Final = ("totals", "usage", "lost")

# Names of enum lost_reason in bpf/permission/permission.h, in its order, with the
# probe that loses.
LOST_REASONS: Final = (
    "permission_wait:no_begin",
    "permission_response:writers_full",
    "permission_response:unread",
)

# LISTENERS in bpf/permission/permission.h
LISTENERS: Final = 256

ITERATOR: Final = "permission/iterator"

# Macros of the parts, and the structure and the member of each offset. Members of
# members are added up.
_OFFSETS: Final = {
    "ITER_CURRENT_GROUP": (("fsnotify_iter_info", "current_group"),),
    "GROUP_PRIORITY": (("fsnotify_group", "priority"),),
    "GROUP_SHUTDOWN": (("fsnotify_group", "shutdown"),),
    "FILE_PRIVATE_DATA": (("file", "private_data"),),
    "TASK_COMM": (("task_struct", "comm"),),
    "TASK_GROUP_LEADER": (("task_struct", "group_leader"),),
    "TASK_PENDING": (("task_struct", "pending"), ("sigpending", "signal")),
    "TASK_THREAD_PID": (("task_struct", "thread_pid"),),
    "EVENT_PID": (("fanotify_perm_event", "fae"), ("fanotify_event", "pid")),
    "EVENT_LIST": (
        ("fanotify_perm_event", "fae"),
        ("fanotify_event", "fse"),
        ("fsnotify_event", "list"),
    ),
    "EVENT_FD": (("fanotify_perm_event", "fd"),),
    "EVENT_STATE": (("fanotify_perm_event", "state"),),
    "FILE_F_OP": (("file", "f_op"),),
    "TASK_PID": (("task_struct", "pid"),),
    "TASK_TGID": (("task_struct", "tgid"),),
    "TASK_CGROUPS": (("task_struct", "cgroups"),),
    "CSS_SET_DFL_CGRP": (("css_set", "dfl_cgrp"),),
    "CGROUP_KN": (("cgroup", "kn"),),
    "KERNFS_NODE_ID": (("kernfs_node", "id"),),
    "WAITQ_HEAD": (("wait_queue_head", "head"),),
    "QUEUE_ENTRY_ENTRY": (("wait_queue_entry", "entry"),),
}

# Members of fanotify_group_private_data, which is in an unnamed union of
# fsnotify_group (include/linux/fsnotify_backend.h).
_IN_UNION: Final = {
    "GROUP_ACCESS_LIST": ("fanotify_group_private_data", "access_list"),
    "GROUP_ACCESS_WAITQ": ("fanotify_group_private_data", "access_waitq"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the programs count.

    Attributes:
        container: whether the listener's cgroup is a part of the key.
    """

    container: bool = False


def load(methods: Sequence[AttachMethod], settings: Settings) -> LoadedPermission:
    """
    Load by the first of *methods* that works.

    Raises:
        LoadError: no method works; with the reasons by hook, and what to do.
    """
    bcc = import_bcc()
    try:
        macros = read_offsets(read_btf())
    except BtfError as error:
        raise LoadError(
            f"cannot attach to permission_wait: {error}",
            "The programs need the kernel's type information (CONFIG_DEBUG_INFO_BTF).",
        ) from error
    if settings.container:
        macros["CONTAINER"] = 1
    return load_first(methods, lambda method: _load_method(bcc, method, macros))


def read_offsets(btf: Btf) -> dict[str, int]:
    """
    Return the macros with the offsets of members, in bytes.

    Raises:
        BtfError: the BTF lacks a name; the text has the name.
    """
    offsets = {
        name: sum(btf.offset(*member) for member in members)
        for name, members in _OFFSETS.items()
    }
    union = btf.unnamed_offset("fsnotify_group")
    return offsets | {
        name: union + btf.offset(*member) for name, member in _IN_UNION.items()
    }


def _load_method(
    bcc: Any, method: AttachMethod, macros: dict[str, int]
) -> LoadedPermission:
    require_hook(method.hook)
    if method.hook == "kprobe":
        try_kprobe(method.probes[0].attach_point)
    has_iterator = "permission/answers_read" in method.sources
    sources = (*method.sources, ITERATOR) if has_iterator else method.sources
    with captured_stderr() as summarize:
        try:
            bpf = compile_parts(bcc, sources, macros)
            push_indexes(bpf[b"free_totals"], range(LISTENERS))
            fds = attach_probes(bpf, method.hook, method.probes)
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(summarize() or str(error), advise()) from error
    keep_attached(bpf)
    iterator, reason = None, "the kernel refuses the read helper"
    if has_iterator:
        iterator, reason = load_iterator(bpf)
    return LoadedPermission(
        hook=method.hook,
        probes=tuple(describe_probe(method.hook, spec) for spec in method.probes),
        layouts=read_layouts(bpf, SHARED_MAPS),
        lost_reasons=LOST_REASONS,
        bcc=bcc.__version__,
        llvm=llvm_version(),
        iterator_reason=reason,
        fds=read_map_fds(bpf, SHARED_MAPS)
        | fds
        | ({} if iterator is None else {"iterator": iterator}),
    )
