"""Mount points by filesystem type, from mounts files."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.procfs.mounts import is_procfs, parse_mounted, read_mounted


FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_mount_points_of_a_filesystem() -> None:
    """All mount points are found by filesystem type, not by the device's name."""
    expected = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
    assert expected == read_mounted("tracefs", FIXTURES / "proc")
    assert [] == read_mounted("tracefs", FIXTURES / "proc_before_5.12")


def test_incomplete_lines() -> None:
    """Lines without three fields are skipped."""
    assert [] == parse_mounted("tracefs", "\n\ntracefs\ntracefs /a\n")


def test_procfs(tmp_path: Path) -> None:
    """A procfs is told from other filesystems, also one of another pid namespace."""
    assert is_procfs(Path("/proc"))
    assert not is_procfs(Path("/sys"))
    assert not is_procfs(tmp_path / "none")
    (tmp_path / "self").symlink_to("4711")
    assert is_procfs(tmp_path)


def test_escaped_mount_point() -> None:
    """A mount point is the path itself, not as the kernel writes it."""
    mounts = "cgroup2 /a\\040b\\134\\011c\x85 cgroup2 rw 0 0\n"
    assert ["/a b\\\tc\x85"] == parse_mounted("cgroup2", mounts)


def test_mount_point_of_any_bytes(tmp_path: Path) -> None:
    """A mount point whose name is not UTF-8 does not hide the others."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mounts").write_bytes(b"a /\xff ext4 rw 0 0\nb /bpf bpf rw 0 0\n")
    assert ["/bpf"] == read_mounted("bpf", tmp_path)
