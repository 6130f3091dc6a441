"""Which test of privileged callers the loader uses, by what the kernel's BTF has."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.loader.privilege import (
    TYPED_HELPER,
    PrivilegeTest,
    by_capability,
)
from tools.harness.btf import Member, Struct, make_btf


STRUCTURES = (
    Struct("task_struct", [Member("cred", 800)]),
    Struct("cred", [Member("cap_effective", 64), Member("user_ns", 128)]),
    Struct("user_namespace", [Member("level", 24)]),
)
OFFSETS = {
    "TASK_CRED": 100,
    "CRED_CAP_EFFECTIVE": 8,
    "CRED_USER_NS": 16,
    "USER_NS_LEVEL": 3,
}


@pytest.mark.parametrize(
    ("names", "part"),
    [([TYPED_HELPER], "calls/privileged_typed"), ([], "calls/privileged_read")],
)
def test_capability(tmp_path: Path, names: list[str], part: str) -> None:
    """The read helper is used only where the kernel has no typed loads of the task."""
    file = tmp_path / "vmlinux"
    file.write_bytes(make_btf(STRUCTURES, names))
    assert PrivilegeTest(part, OFFSETS) == by_capability(file)


def test_kernel_without_btf(tmp_path: Path) -> None:
    """Without BTF the uid decides, for the reason that is given."""
    test = by_capability(tmp_path / "vmlinux")
    assert "calls/privileged_uid" == test.source
    assert f"cannot read {tmp_path}/vmlinux: No such file" in test.uid_reason


def test_kernel_without_a_member(tmp_path: Path) -> None:
    """Without one of the offsets the uid decides, and the reason names the member."""
    file = tmp_path / "vmlinux"
    file.write_bytes(make_btf(STRUCTURES[:2], [TYPED_HELPER]))
    test = by_capability(file)
    assert "calls/privileged_uid" == test.source
    assert "no member level of user_namespace" in test.uid_reason
