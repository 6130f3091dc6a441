"""The table of attach methods."""

from __future__ import annotations

from itertools import groupby

import pytest

from fanotify_exporter.bpf.loaded import SYSCALLS
from fanotify_exporter.bpf.missed_runs import sums_are_exact
from fanotify_exporter.loader.attach_methods import (
    ATTACH_METHODS,
    TRACE_METHODS,
    restrict,
)
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.sources import join_sources


def test_names_are_unique() -> None:
    """A name selects one method and no hook, and methods of a hook are neighbours."""
    names = [method.name for method in ATTACH_METHODS]
    hooks = [hook for hook, _ in groupby(method.hook for method in ATTACH_METHODS)]
    assert len(ATTACH_METHODS) == len({*names})
    assert len(hooks) == len({*hooks})
    assert not {*names} & {*hooks, "auto"}


@pytest.mark.parametrize("method", ATTACH_METHODS, ids=lambda method: method.name)
def test_each_method_counts_every_syscall(method: AttachMethod) -> None:
    """Each method has a program that counts each element of SYSCALLS."""
    counted = {spec.name for spec in method.probes if not spec.saves_arguments}
    assert set(SYSCALLS) == counted


def test_two_programs_only_where_one_misses_calls() -> None:
    """The raw tracepoint has a second program where the kernel skips the first one."""
    method = next(each for each in ATTACH_METHODS if each.hook == "raw_tracepoint")
    programs = {len(spec.functions) for spec in method.probes}
    assert {1 if sums_are_exact("raw_tracepoint") else 2} == programs


def test_methods_that_trace() -> None:
    """Methods that trace attach the same, but see all arguments of all calls."""
    for method, tracing in zip(ATTACH_METHODS, TRACE_METHODS, strict=True):
        names = [each.removesuffix("_alone") for each in method.sources]
        assert names == [*tracing.sources]
        added = {spec.function for spec in {*tracing.probes} - {*method.probes}}
        removed = {spec.function for spec in {*method.probes} - {*tracing.probes}}
        if method.name == "sys_enter_exit":
            assert {"enter_inotify_add_watch", "exit_inotify_add_watch"} == added
            assert {"exit_inotify_add_watch_alone"} == removed
        else:
            assert set() == added == removed


@pytest.mark.parametrize("method", ATTACH_METHODS, ids=lambda method: method.name)
def test_programs_are_in_the_sources(method: AttachMethod) -> None:
    """Each part exists, and no part defines what the parts before it define."""
    text = join_sources(method.sources)
    assert "int on_call(" not in text
    assert 0 == text.count("BPF_F_TABLE")


@pytest.mark.parametrize("method", ATTACH_METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("syscall", SYSCALLS)
def test_restricted_to_a_syscall(method: AttachMethod, syscall: str) -> None:
    """A restricted method attaches all probes of its system calls, and no others."""
    restricted = restrict(method, [syscall])
    assert (syscall,) == restricted.names
    own = [spec for spec in method.probes if spec.name == syscall]
    assert own == [*restricted.probes]


def test_restricted_to_all() -> None:
    """A method that is restricted to all system calls is the same method."""
    for method in ATTACH_METHODS:
        assert method == restrict(method, SYSCALLS)
        assert SYSCALLS == method.names
