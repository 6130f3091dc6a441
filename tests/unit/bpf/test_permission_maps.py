"""The maps of the permission programs, as samples."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fanotify_exporter.bpf import permission_maps
from fanotify_exporter.bpf.permission_maps import PermissionMaps
from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    GROUPS_FULL_COMM,
    UNKNOWN_COMM,
    WAIT_BUCKETS,
)
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.loader import permission
from fanotify_exporter.loader.sources import find_programs
from tools.harness.loaded_permission import make_permission, pack_total


Memory = Callable[[bytes], int]

HEADER = (find_programs() / "permission/permission.h").read_text()


def enumerators(name: str) -> list[str]:
    """Return the enumerators of an enum of permission.h, without the last one."""
    found = re.search(rf"enum {name} {{(.*?)}}", HEADER, re.DOTALL)
    assert found
    body = re.sub(r"/\*.*?\*/", "", found[1], flags=re.DOTALL)
    return [each.strip() for each in body.split(",") if each.strip()][:-1]


def test_totals(memory: Memory) -> None:
    """Each member of a listener's total is in its samples."""
    total = pack_total(
        b"wdavdaemon\0",
        group_class=2,
        ends=(1, 2, 3, 4),
        buckets=range(10),
        nanoseconds=2_500_000_000,
        responses=(10, 0, *range(12, 19)),
    )
    (found,) = PermissionMaps(make_permission({3: total}, share=memory)).read().totals
    assert ("wdavdaemon", "pre_content") == (found.comm, found.group_class)
    assert dict(zip(ENDS, (1, 2, 3, 4), strict=True)) == found.ends
    assert tuple(range(10)) == found.buckets
    assert 2.5 == found.seconds
    assert 10 == found.responses["allow", ""]
    assert ("deny", "EPERM") not in found.responses
    assert 18 == found.responses["deny", "other"]
    assert 3 == found.unchecked
    assert 0 == found.cgroup


def test_cgroups(memory: Memory) -> None:
    """With --label.container a listener has a total for each of its cgroups."""
    totals = {index: pack_total(b"a\0", cgroup=index + 7) for index in range(2)}
    loaded = make_permission(totals, container=True, share=memory)
    found = PermissionMaps(loaded).read().totals
    assert [7, 8] == [each.cgroup for each in found]


def test_unclaimed_totals_are_left_out(memory: Memory) -> None:
    """An entry that a program has filled and not claimed is no listener's yet."""
    total = pack_total(b"early\0", claimed=0, ends=(1, 0, 0, 0))
    loaded = make_permission({0: total}, share=memory)
    assert () == PermissionMaps(loaded).read().totals


def test_fixed_totals(memory: Memory) -> None:
    """Waits without a listener's name, and groups beyond the map, have fixed names."""
    one = {"claimed": 0, "ends": (1, 0, 0, 0)}
    first = permission_maps.LISTENERS
    answers = {"claimed": 0, "responses": (5, *[0] * 8)}
    totals = {
        first + 2: pack_total(**one),  # type: ignore[arg-type]
        first + 4: pack_total(**answers),  # type: ignore[arg-type]
    }
    found = PermissionMaps(make_permission(totals, share=memory)).read().totals
    assert [(UNKNOWN_COMM, "pre_content"), (GROUPS_FULL_COMM, "content")] == [
        (each.comm, each.group_class) for each in found
    ]


def test_usage_and_lost(memory: Memory) -> None:
    """The use of the maps, and what the programs could not count."""
    loaded = make_permission({}, usage=(3, 2**64 - 1), lost=(7, 9, 11), share=memory)
    snapshot = PermissionMaps(loaded).read()
    assert loaded.counting_since == snapshot.counting_since
    assert (
        Usage("permission_groups", 3, 256),
        Usage("permission_waits", 0, 32768),  # two CPUs changed the number
    ) == snapshot.usage
    assert Lost("permission_wait", "no_begin", 7) in snapshot.lost
    assert Lost("permission_response", "writers_full", 9) in snapshot.lost
    assert Lost("permission_response", "unread", 11) in snapshot.lost
    assert Lost("permission_wait", "recursion", 0) in snapshot.lost


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("end", len(ENDS)),
        ("response", len(permission_maps.RESPONSES)),
        ("group_class", len(permission_maps.CLASSES)),
        ("usage", len(permission_maps.USAGE)),
        ("lost_reason", len(permission.LOST_REASONS)),
    ],
)
def test_names_of_enumerations(name: str, numbers: int) -> None:
    """Python has a name for each enumerator of the header."""
    assert numbers == len(enumerators(name))


def test_numbers_of_the_header() -> None:
    """The header and Python have the same sizes, and the same names of ends."""
    defined = dict(re.findall(r"#define (\w+) (\d+)\n", HEADER))
    sizes = dict(permission_maps.USAGE)
    assert sizes["permission_groups"] == int(defined["GROUPS"])
    assert sizes["permission_waits"] == int(defined["WAITS"])
    assert permission_maps.LISTENERS == int(defined["LISTENERS"])
    assert permission.LISTENERS == int(defined["LISTENERS"])
    assert len(WAIT_BUCKETS) + 1 == int(defined["BUCKETS"])
    ends = [each.removeprefix("END_").lower() for each in enumerators("end")]
    assert [*ENDS] == ends


def test_bounds_of_the_buckets() -> None:
    """The program sorts by the bounds of WAIT_BUCKETS, in nanoseconds."""
    source = (find_programs() / "permission/waits.bpf.c").read_text()
    body = source[source.index("count_length") : source.index("lock_xadd")]
    compared = sorted({int(each) for each in re.findall(r"ns <= (\d+)", body)})
    assert [round(bound * 1e9) for bound in WAIT_BUCKETS] == compared
