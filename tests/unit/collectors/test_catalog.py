"""The catalogue of collectors agrees with the collectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fanotify_exporter.bpf.loaded import SYSCALLS
from fanotify_exporter.collectors.catalog import (
    CATALOG,
    CollectorInfo,
    droppable_labels,
    needed_syscalls,
    needs_groups,
)
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.procfs.capabilities import CAPABILITIES
from tools.docs import pages
from tools.harness.golden import SOURCES


def labels_of(info: CollectorInfo) -> set[str]:
    return {
        label
        for family in info.build(SOURCES).describe()
        for label in pages.labels(family)
    }


def test_names() -> None:
    """Each name is there once, and is the name of the collector's module."""
    names = [each.name for each in CATALOG]
    assert sorted(set(names)) == sorted(names)
    for each in CATALOG:
        module = type(each.build(SOURCES)).__module__
        assert f"fanotify_exporter.collectors.{each.name}" == module


@pytest.mark.parametrize("info", CATALOG, ids=lambda info: info.name)
def test_family_is_described(info: CollectorInfo) -> None:
    """The family that shows whether a collector has data is one of the collector's."""
    families = {family.name for family in info.build(SOURCES).describe()}
    assert info.family in families


@pytest.mark.parametrize("info", CATALOG, ids=lambda info: info.name)
def test_droppable_labels_are_labels(info: CollectorInfo) -> None:
    """A label that can be dropped is a label of the collector's families."""
    assert set(info.droppable) <= labels_of(info)


def test_droppable_labels_are_listed_once() -> None:
    """--label.drop accepts the labels of all collectors, each named once."""
    labels = droppable_labels()
    assert ("comm", "flags", "mask", "event_f_flags") == labels[:4]
    assert sorted(set(labels)) == sorted(labels)


@pytest.mark.parametrize(
    ("enabled", "needed"),
    [
        ([each.name for each in CATALOG], SYSCALLS),
        (["mark_calls", "limits"], ("fanotify_mark",)),
        (["init_calls"], ("fanotify_init", "inotify_init")),
        (["inotify_calls"], ("inotify_add_watch",)),
        (["groups", "mark_calls"], ("fanotify_mark",)),
        (["groups"], ()),
        (["limits"], ()),
        ([], ()),
    ],
)
def test_needed_syscalls(enabled: list[str], needed: tuple[str, ...]) -> None:
    """Only the system calls that enabled collectors need are counted."""
    assert needed == needed_syscalls(enabled)


def test_capabilities_are_known() -> None:
    """The capabilities of a collector have the names that the kernel gives them."""
    assert set().union(*(each.capabilities for each in CATALOG)) <= set(
        CAPABILITIES.values()
    )


@pytest.mark.parametrize("info", CATALOG, ids=lambda info: info.name)
def test_collectors_that_list_groups(info: CollectorInfo) -> None:
    """A collector that starts the scan for groups says that it needs the groups."""
    started: list[str] = []

    def start() -> Callable[[], GroupScan | None]:
        started.append(info.name)
        return lambda: None

    info.build(replace(SOURCES, start_group_scan=start))
    assert bool(started) == info.lists_groups == needs_groups([info.name])
