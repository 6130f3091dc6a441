"""Macros of the iterator over groups and instances, from BTF made here."""

from __future__ import annotations

import pytest

from fanotify_exporter.loader.btf import Btf, BtfError
from fanotify_exporter.loader.call_iterator import read_call_offsets
from fanotify_exporter.loader.fsnotify import (
    read_offsets,
    read_ucount_offsets,
)
from fanotify_exporter.loader.sources import find_programs
from tools.harness.btf import Enumeration, Member, Struct, make_btf


TYPES = Enumeration(
    "ucount_type",
    {
        "UCOUNT_INOTIFY_INSTANCES": 8,
        "UCOUNT_INOTIFY_WATCHES": 9,
        "UCOUNT_FANOTIFY_GROUPS": 10,
        "UCOUNT_FANOTIFY_MARKS": 11,
        "UCOUNT_COUNTS": 12,
    },
)
GROUP = Struct("fsnotify_group", [Member("q_len", 56 * 8), Member("", 200 * 8)])
FANOTIFY = Struct(
    "fanotify_group_private_data",
    [Member("access_list", 8 * 8), Member("ucounts", 56 * 8)],
)
INOTIFY = Struct("inotify_group_private_data", [Member("ucounts", 32 * 8)])
NAMESPACE = Struct("user_namespace", [Member("ucounts", 528 * 8)])
FIELDS = [Member("ns", 16 * 8), Member("uid", 24 * 8), Member("ucount", 32 * 8)]


def btf_with(ucounts: Struct, *structures: Struct) -> Btf:
    return Btf(make_btf([GROUP, NAMESPACE, ucounts, *structures], enums=[TYPES]))


@pytest.mark.parametrize(
    ("ucounts", "width"),
    [
        (Struct("ucounts", FIELDS, size=80), 4),  # atomic_t, before 5.14
        (Struct("ucounts", FIELDS, size=32 + 12 * 8), 8),
        (Struct("ucounts", [*FIELDS, Member("rlimit", 128 * 8)], size=160), 8),
    ],
)
def test_counts_of_users(ucounts: Struct, width: int) -> None:
    """The size of a count follows from the size of all counts."""
    macros, reason = read_ucount_offsets(btf_with(ucounts, FANOTIFY, INOTIFY))
    assert "" == reason
    assert width == macros["UCOUNT_BYTES"]
    assert 11 == macros["UCOUNT_FANOTIFY_MARKS"]
    assert 200 + 56 == macros["GROUP_FANOTIFY_UCOUNTS"]
    assert 200 + 32 == macros["GROUP_INOTIFY_UCOUNTS"]


def test_kernel_without_counts_of_fanotify() -> None:
    """The groups are listed without counts, and the reason names the member."""
    old = Struct("fanotify_group_private_data", [Member("access_list", 8 * 8)])
    macros, reason = read_ucount_offsets(
        btf_with(Struct("ucounts", FIELDS, size=80), old, INOTIFY)
    )
    assert {} == macros
    assert reason.endswith("no member ucounts of fanotify_group_private_data")


@pytest.mark.parametrize("state", ["state", "__state"])
def test_offsets_of_calls(state: str) -> None:
    """Linux 5.14 renamed the state of a thread."""
    task = [
        Member("stack", 32 * 8),
        Member(state, 24 * 8),
        Member("nvcsw", 99 * 8),
        Member("nivcsw", 107 * 8),
        Member("on_cpu", 40 * 8),
    ]
    structures = [Struct("task_struct", task), Struct("pt_regs", [], size=168)]
    macros = read_call_offsets(Btf(make_btf(structures)))
    expected = {
        "TASK_STACK": 32,
        "TASK_STATE": 24,
        "TASK_NVCSW": 99,
        "TASK_NIVCSW": 107,
        "TASK_ON_CPU": 40,
        "PT_REGS_SIZE": 168,
    }
    assert expected.items() <= macros.items()
    source = (find_programs() / "fsnotify/mark_calls.bpf.c").read_text()
    assert [] == [name for name in macros if name not in source]


def test_missing_name() -> None:
    """An offset that the iterator cannot do without is an error with its name."""
    with pytest.raises(BtfError, match=r"no member f_op of file$"):
        read_offsets(btf_with(Struct("ucounts", FIELDS)))


def test_macros_are_used() -> None:
    """Each macro for the counts of users is in the source."""
    source = (find_programs() / "fsnotify/iterator.bpf.c").read_text()
    ucounts = Struct("ucounts", FIELDS)
    macros, _ = read_ucount_offsets(btf_with(ucounts, FANOTIFY, INOTIFY))
    assert macros
    assert [] == [name for name in macros if name not in source]
