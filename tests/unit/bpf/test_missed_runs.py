"""Missed runs of programs and links, by system call and reason."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from fanotify_exporter.bpf import missed_runs
from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.bpf.missed_runs import (
    MissedRuns,
    read_link_misses,
    sums_are_exact,
)
from fanotify_exporter.bpf.samples import Lost
from tools.harness.loaded_programs import make_loaded, share_memory


PROBES = [
    AttachedProbe("fanotify_mark", "kprobe:native", ("p1",), ("l1",)),
    AttachedProbe("fanotify_mark", "kprobe:compat", ("p2",), ("l2",)),
    AttachedProbe("fanotify_init", "kprobe:other", ("p3",)),
]


@pytest.fixture(autouse=True)
def _figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a descriptor's figure be 100 for a program and 1000 for a link, plus fd."""
    monkeypatch.setattr(missed_runs, "read_program_misses", lambda fd: 100 + fd)
    monkeypatch.setattr(missed_runs, "read_link_misses", lambda fd: 1000 + fd)


def test_misses_of_a_syscall_are_summed() -> None:
    """Native and compat programs and links add up; other system calls do not."""
    fds = iter(range(1, 10))
    loaded = make_loaded(hook="kprobe", probes=PROBES, share=lambda _: next(fds))
    p1, l1, p2, l2 = (loaded.fds[name] for name in ("p1", "l1", "p2", "l2"))
    assert [
        Lost("fanotify_mark", "recursion", 200 + p1 + p2),
        Lost("fanotify_mark", "nmissed", 2000 + l1 + l2),
    ] == list(MissedRuns(loaded).read("fanotify_mark"))


def test_no_links() -> None:
    """Without links there is no figure of missed calls of a kretprobe."""
    loaded = make_loaded(hook="kprobe", probes=PROBES, share=lambda _: 0)
    assert [Lost("fanotify_init", "recursion", 100)] == list(
        MissedRuns(loaded).read("fanotify_init")
    )
    assert [Lost("inotify_init", "recursion", 0)] == list(
        MissedRuns(loaded).read("inotify_init")
    )


def test_raw_tracepoint_misses_any_syscall() -> None:
    """The reason says that the raw tracepoint's figure has other system calls too."""
    probe = AttachedProbe("fanotify_mark", "raw_tracepoint:sys_exit", ("p",))
    loaded = make_loaded(hook="raw_tracepoint", probes=[probe], share=lambda _: 0)
    assert [Lost("fanotify_mark", "recursion_any_syscall", 100)] == list(
        MissedRuns(loaded).read("fanotify_mark")
    )


def test_second_program_on_the_raw_tracepoint() -> None:
    """A call is missing at most as often as the kernel skipped either program."""
    fds = iter(range(9, 0, -1))
    probe = AttachedProbe("fanotify_mark", "raw_tracepoint:sys_exit", ("p1", "p2"))
    loaded = make_loaded(
        hook="raw_tracepoint", probes=[probe], share=lambda _: next(fds)
    )
    fewest = 100 + min(loaded.fds["p1"], loaded.fds["p2"])
    assert [Lost("fanotify_mark", "recursion_any_syscall", fewest)] == list(
        MissedRuns(loaded).read("fanotify_mark")
    )


@pytest.mark.parametrize(
    ("release", "version", "exact"),
    [
        ("7.3.4+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 7.3.4-1", False),
        ("7.0-rc1", "#1 SMP PREEMPT_RT", False),
        ("7.3.4", "#1 SMP", True),
        ("6.18.44", "#1 SMP PREEMPT_DYNAMIC", True),
    ],
)
def test_sums_on_the_raw_tracepoint(
    monkeypatch: pytest.MonkeyPatch, release: str, version: str, *, exact: bool
) -> None:
    """Since 7.0 a kernel that preempts itself may leave out calls there."""
    kernel = SimpleNamespace(release=release, version=version)
    monkeypatch.setattr(os, "uname", lambda: kernel)
    assert exact == sums_are_exact("raw_tracepoint")
    assert sums_are_exact("tracepoint")


def test_descriptor_without_link_information() -> None:
    """A perf event, which the kernel has in the place of a link, misses 0 calls."""
    assert 0 == read_link_misses(share_memory(b""))


def refuse(_: int) -> int:
    raise FileNotFoundError(
        errno.ENOENT, "No such file or directory", "/proc/self/fdinfo"
    )


def test_no_proc(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A number that cannot be read is left out, others are not; one warning says so."""
    monkeypatch.setattr(missed_runs, "read_program_misses", refuse)
    loaded = make_loaded(hook="kprobe", probes=PROBES, share=lambda _: 0)
    missed = MissedRuns(loaded)
    for _ in range(3):
        assert [Lost("fanotify_mark", "nmissed", 2000)] == list(
            missed.read("fanotify_mark")
        )
        assert [] == list(missed.read("fanotify_init"))
    (record,) = caplog.records
    assert "cannot read how many calls" in record.message
    assert "No such file or directory" in vars(record)["reason"]


def test_proc_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last number stays, marked as stale, so that no sum goes backwards."""
    loaded = make_loaded(hook="kprobe", probes=PROBES, share=lambda _: 0)
    missed = MissedRuns(loaded)
    assert [Lost("fanotify_init", "recursion", 100)] == list(
        missed.read("fanotify_init")
    )
    monkeypatch.setattr(missed_runs, "read_program_misses", refuse)
    assert [Lost("fanotify_init", "recursion", 100, is_stale=True)] == list(
        missed.read("fanotify_init")
    )
