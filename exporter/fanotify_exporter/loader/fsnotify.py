"""Load the iterator over fanotify groups and inotify instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.btf import Btf, BtfError, read_btf
from fanotify_exporter.loader.call_iterator import SOURCE as CALLS
from fanotify_exporter.loader.call_iterator import load_call_iterator, read_call_offsets
from fanotify_exporter.loader.compile import compile_parts, import_bcc, llvm_version
from fanotify_exporter.loader.diagnostics import advise, captured_stderr
from fanotify_exporter.loader.iterator import (
    load_iterator,
    make_fanotify_group,
    make_inotify_instance,
)
from fanotify_exporter.loader.load import keep_attached


ITERATOR: Final = "fsnotify/iterator"

# How an error begins if the kernel lacks what the iterator needs, or refuses it.
REFUSED: Final = "cannot list groups by an iterator"

# Macros of the iterator, and the structure and the member of each offset.
_OFFSETS: Final = {
    "FILE_F_OP": ("file", "f_op"),
    "FILE_PRIVATE_DATA": ("file", "private_data"),
    "TASK_PID": ("task_struct", "pid"),
    "TASK_TGID": ("task_struct", "tgid"),
    "TASK_GROUP_LEADER": ("task_struct", "group_leader"),
    "TASK_START": ("task_struct", "start_boottime"),
    "TASK_COMM": ("task_struct", "comm"),
    "TASK_REAL_CRED": ("task_struct", "real_cred"),
    "TASK_CGROUPS": ("task_struct", "cgroups"),
    "CRED_UID": ("cred", "uid"),
    "CRED_EUID": ("cred", "euid"),
    "CRED_SUID": ("cred", "suid"),
    "CRED_CAP_EFFECTIVE": ("cred", "cap_effective"),
    "CRED_USER_NS": ("cred", "user_ns"),
    "USER_NS_LEVEL": ("user_namespace", "level"),
    "CSS_SET_DFL_CGRP": ("css_set", "dfl_cgrp"),
    "CGROUP_KN": ("cgroup", "kn"),
    "KERNFS_NODE_ID": ("kernfs_node", "id"),
    "GROUP_Q_LEN": ("fsnotify_group", "q_len"),
    "GROUP_MAX_EVENTS": ("fsnotify_group", "max_events"),
    "GROUP_OVERFLOW_EVENT": ("fsnotify_group", "overflow_event"),
    "EVENT_LIST": ("fsnotify_event", "list"),
}

_UCOUNT_OFFSETS: Final = {
    "UCOUNTS_NS": ("ucounts", "ns"),
    "UCOUNTS_UID": ("ucounts", "uid"),
    "UCOUNTS_UCOUNT": ("ucounts", "ucount"),
    "USER_NS_UCOUNTS": ("user_namespace", "ucounts"),
}

# Members of structures in an unnamed union of fsnotify_group
# (include/linux/fsnotify_backend.h).
_ACCESS_LIST: Final = {
    "GROUP_ACCESS_LIST": ("fanotify_group_private_data", "access_list")
}
_UCOUNTS_OF_GROUP: Final = {
    "GROUP_FANOTIFY_UCOUNTS": ("fanotify_group_private_data", "ucounts"),
    "GROUP_INOTIFY_UCOUNTS": ("inotify_group_private_data", "ucounts"),
}

# Enumerators of enum ucount_type (include/linux/user_namespace.h).
_UCOUNT_TYPES: Final = (
    "UCOUNT_FANOTIFY_GROUPS",
    "UCOUNT_FANOTIFY_MARKS",
    "UCOUNT_INOTIFY_INSTANCES",
    "UCOUNT_INOTIFY_WATCHES",
)


def load() -> LoadedFsnotify:
    """
    Load the iterator.

    Raises:
        LoadError: the kernel refuses; with the reason.
    """
    bcc = import_bcc()
    try:
        btf = read_btf()
        macros = read_offsets(btf)
    except BtfError as error:
        raise LoadError(
            f"{REFUSED}: {error}",
            "The iterator needs the kernel's type information (CONFIG_DEBUG_INFO_BTF).",
        ) from error
    users, users_reason = read_ucount_offsets(btf)
    calls, calls_reason = _read_call_offsets(btf)
    sources = (ITERATOR, CALLS) if calls else (ITERATOR,)
    with captured_stderr() as summarize:
        try:
            bpf = compile_parts(bcc, sources, {**macros, **users, **calls})
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(summarize() or str(error), advise()) from error
    keep_attached(bpf)
    link, reason = load_iterator(bpf, (make_fanotify_group, make_inotify_instance))
    if link is None:
        raise LoadError(f"{REFUSED}: {reason}")
    fds = {"iterator": link}
    if calls:
        call_link, calls_reason = load_call_iterator(bpf)
        if call_link is not None:
            fds["calls"] = call_link
    return LoadedFsnotify(
        hook="iterator",
        probes=(),
        layouts={},
        lost_reasons=(),
        bcc=bcc.__version__,
        llvm=llvm_version(),
        users_reason=users_reason,
        calls_reason=calls_reason,
        fds=fds,
    )


def read_offsets(btf: Btf) -> dict[str, int]:
    """
    Return the macros with the offsets of members, in bytes.

    Raises:
        BtfError: the BTF lacks a name; the text has the name.
    """
    offsets = {name: btf.offset(*member) for name, member in _OFFSETS.items()}
    return offsets | _in_union(btf, _ACCESS_LIST)


def read_ucount_offsets(btf: Btf) -> tuple[dict[str, int], str]:
    """
    Return the macros for the counts of users and "", or none and why there are none.

    Linux before 5.13 counts the fanotify groups of a user elsewhere; stable kernels of
    5.10 since 5.10.220 are like 5.13.
    """
    try:
        offsets = {
            name: btf.offset(*member) for name, member in _UCOUNT_OFFSETS.items()
        }
        types = {name: btf.enumerator("ucount_type", name) for name in _UCOUNT_TYPES}
        size = _count_bytes(btf, offsets["UCOUNTS_UCOUNT"])
        return offsets | types | _in_union(btf, _UCOUNTS_OF_GROUP) | size, ""
    except BtfError as error:
        return {}, str(error)


def _read_call_offsets(btf: Btf) -> tuple[dict[str, int], str]:
    """Return the macros for calls in progress and "", or none and the reason."""
    try:
        return read_call_offsets(btf), ""
    except BtfError as error:
        return {}, str(error)


def _in_union(btf: Btf, members: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    union = btf.unnamed_offset("fsnotify_group")
    return {name: union + btf.offset(*member) for name, member in members.items()}


def _count_bytes(btf: Btf, start: int) -> dict[str, int]:
    """
    Return the macro with the size of a count: atomic_t before Linux 5.14, then long.

    Raises:
        BtfError: the BTF lacks a name.
    """
    try:
        end = btf.offset("ucounts", "rlimit")  # since Linux 6.0
    except BtfError:
        end = btf.size("ucounts")
    return {
        "UCOUNT_BYTES": (end - start) // btf.enumerator("ucount_type", "UCOUNT_COUNTS")
    }
