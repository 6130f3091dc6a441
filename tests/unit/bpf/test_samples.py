"""Sums over a snapshot."""

from __future__ import annotations

from fanotify_exporter.bpf.samples import Lost, Snapshot


def test_missed_calls() -> None:
    """Missed calls of one system call add up; other reasons are left out."""
    lost = (
        Lost("fanotify_mark", "no_entry", 1),
        Lost("fanotify_mark", "recursion", 2),
        Lost("fanotify_mark", "nmissed", 4),
        Lost("fanotify_mark", "map_full", 8),
        Lost("fanotify_mark", "recursion_any_syscall", 16),
        Lost("fanotify_init", "recursion", 32),
    )
    assert 7 == Snapshot(0, {}, (), lost).missed("fanotify_mark")
