"""
How the programs tell privileged callers: the part with is_privileged(), and offsets.

The members are in struct task_struct (include/linux/sched.h), struct cred
(include/linux/cred.h) and struct user_namespace (include/linux/user_namespace.h).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanotify_exporter.loader.btf import BTF, BtfError, read_btf


# Macros of bpf/calls/privileged_*.bpf.c, and the structure and member of each offset.
OFFSETS: Final = {
    "TASK_CRED": ("task_struct", "cred"),
    "CRED_CAP_EFFECTIVE": ("cred", "cap_effective"),
    "CRED_USER_NS": ("cred", "user_ns"),
    "USER_NS_LEVEL": ("user_namespace", "level"),
}

# Member of enum bpf_func_id. Kernels without this helper have no typed loads from the
# current task.
TYPED_HELPER = "BPF_FUNC_get_current_task_btf"


@dataclass(frozen=True, slots=True)
class PrivilegeTest:
    """
    A way to tell privileged callers from others.

    Attributes:
        source: part of the BPF programs that defines is_privileged().
        offsets: macros of that part.
        uid_reason: why uid 0 decides, empty if CAP_SYS_ADMIN decides.
    """

    source: str
    offsets: dict[str, int]
    uid_reason: str = ""


def by_uid(reason: str) -> PrivilegeTest:
    """Return the test of the uid, which every kernel accepts, used for *reason*."""
    return PrivilegeTest("calls/privileged_uid", {}, reason)


def by_capability(path: Path = BTF) -> PrivilegeTest:
    """
    Return the test of CAP_SYS_ADMIN in the initial user namespace.

    Where the offsets are unknown, the test of the uid is returned, with the reason.
    """
    try:
        btf = read_btf(path)
        offsets = {name: btf.offset(*member) for name, member in OFFSETS.items()}
    except BtfError as error:
        return by_uid(str(error))
    way = "typed" if btf.has_name(TYPED_HELPER) else "read"
    return PrivilegeTest(f"calls/privileged_{way}", offsets)
