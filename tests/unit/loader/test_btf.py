"""Members and enumerators from BTF, made here as the format describes the types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fanotify_exporter.loader.btf import BtfError, read_btf
from tools.harness.btf import Enumeration, Member, Struct, make_btf


CRED = Struct("cred", [Member("usage", 0), Member("cap_effective", 64 * 8)])
TASK = Struct("task_struct", [Member("cred", 1736 * 8), Member("comm", 1760 * 8)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vmlinux"


def offset(file: Path, structures: Sequence[Struct], name: str, member: str) -> int:
    file.write_bytes(make_btf(structures))
    return read_btf(file).offset(name, member)


@pytest.mark.parametrize("structures", [[CRED, TASK], [TASK, CRED]])
def test_offsets_are_bytes(file: Path, structures: list[Struct]) -> None:
    """A member with the name of a structure is not taken for the structure."""
    assert 64 == offset(file, structures, "cred", "cap_effective")
    assert 1736 == offset(file, structures, "task_struct", "cred")


def test_structure_with_bit_fields(file: Path) -> None:
    """Where members have sizes in bits, the upper bits are no part of the offset."""
    task = Struct(
        "task_struct",
        [Member("flag", 1 << 24 | 7), Member("cred", 0 << 24 | 1736 * 8)],
        has_bit_fields=True,
    )
    assert 1736 == offset(file, [task], "task_struct", "cred")


def test_structure_of_the_same_name_without_the_member(file: Path) -> None:
    """All structures with the name are searched."""
    other = Struct("cred", [Member("usage", 0)])
    assert 64 == offset(file, [other, CRED], "cred", "cap_effective")


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("cred", "user_ns"),
        ("user_namespace", "level"),
        ("cred", "comm"),
        ("cred", "effective"),
    ],
)
def test_missing_names(file: Path, name: str, member: str) -> None:
    """The error names the member and the structure that are missing."""
    with pytest.raises(BtfError, match=f"no member {member} of {name}$"):
        offset(file, [CRED, TASK], name, member)


def test_number_at_the_end_of_the_types(file: Path) -> None:
    """The last word of the types is no structure, even if equal to the name."""
    last = Struct("task_struct", [Member("cred", 1)])
    with pytest.raises(BtfError, match="no member comm of task_struct"):
        offset(file, [last], "task_struct", "comm")


def test_unnamed_member(file: Path) -> None:
    """An unnamed member is found if the structure has no other unnamed member."""
    named = Member("ops", 0)
    group = Struct("group", [named, Member("", 64 * 8)])
    file.write_bytes(make_btf([group]))
    assert 64 == read_btf(file).unnamed_offset("group")
    for others in ([named], [named, Member("", 64 * 8), Member("", 128 * 8)]):
        file.write_bytes(make_btf([Struct("group", others)]))
        with pytest.raises(BtfError, match=r"no single unnamed member of group$"):
            read_btf(file).unnamed_offset("group")


def test_size(file: Path) -> None:
    """The size is in bytes; a structure that the BTF lacks has none."""
    file.write_bytes(make_btf([TASK, Struct("cred", [Member("usage", 0)], size=184)]))
    assert 184 == read_btf(file).size("cred")
    with pytest.raises(BtfError, match=r"no structure ucounts$"):
        read_btf(file).size("ucounts")


def test_enumerators(file: Path) -> None:
    """The value belongs to the enum of that name, and may be negative."""
    first = Enumeration("other", {"FIRST": 7, "BELOW": 1})
    second = Enumeration("order", {"BELOW": -1, "FIRST": 0, "SECOND": 1})
    file.write_bytes(make_btf([CRED], enums=[first, second]))
    btf = read_btf(file)
    names = ("BELOW", "FIRST", "SECOND")
    assert [-1, 0, 1] == [btf.enumerator("order", name) for name in names]
    with pytest.raises(BtfError, match=r"no enumerator SECOND of other$"):
        btf.enumerator("other", "SECOND")


def test_names(file: Path) -> None:
    """Names of any kind are found, and parts of names are not."""
    file.write_bytes(make_btf([CRED], names=["BPF_FUNC_get_current_task_btf"]))
    btf = read_btf(file)
    assert btf.has_name("BPF_FUNC_get_current_task_btf")
    assert not btf.has_name("BPF_FUNC_get_current_task")
    assert not btf.has_name("get_current_task_btf")


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(60)])
def test_no_btf(file: Path, data: bytes) -> None:
    """A file that is no BTF is an error, and so is a kernel without the file."""
    with pytest.raises(BtfError, match="No such file"):
        read_btf(file)
    file.write_bytes(data)
    with pytest.raises(BtfError, match="magic is wrong"):
        read_btf(file)
