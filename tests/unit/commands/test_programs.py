"""The sets of programs: which are loaded, pinned and logged, and what serving keeps."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from errno import EINVAL
from pathlib import Path
from typing import Any

import pytest

from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.iterator import BPF_ITER_CREATE
from fanotify_exporter.bpf.loaded import NO_PROGRAMS, AttachedProbe, LoadedPermission
from fanotify_exporter.bpf.missed_runs import BPF_OBJ_GET_INFO_BY_FD
from fanotify_exporter.collectors.catalog import SCAN_CAPABILITIES
from fanotify_exporter.commands import programs
from fanotify_exporter.commands.live_sources import (
    NO_SOURCES,
    LiveSource,
    LiveSources,
)
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.commands.wait_source import WaitSource
from fanotify_exporter.errors import LoadError, PinError
from fanotify_exporter.loader import run as loader
from fanotify_exporter.options.model import BpfOptions
from fanotify_exporter.system import seccomp
from tools.harness.loaded_events import make_events
from tools.harness.loaded_fsnotify import make_fsnotify
from tools.harness.loaded_permission import make_permission
from tools.harness.loaded_programs import WITHOUT_MAPS


LOADED = replace(WITHOUT_MAPS, reasons={"fentry": "no BTF"})

ITERATOR = LiveSources(waits=WaitSource("iterator"))
GROUPS = LiveSources(LiveSource("iterator"))

FSNOTIFY = make_fsnotify()

CALLS = {"mark_calls"}
BOTH = {"mark_calls", "permission"}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def permission() -> LoadedPermission:
    return make_permission({}, iterator_reason="", share=lambda _: 7)


@pytest.mark.parametrize(
    ("links", "commands"), [((), []), (("link",), [BPF_OBJ_GET_INFO_BY_FD])]
)
def test_the_filter_allows_reading_links(
    links: tuple[str, ...], commands: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """bpf(2) stays allowed only where links have a count of missed runs to be read."""
    seen: list[object] = []
    monkeypatch.setattr(seccomp, "install", seen.append)
    probe = AttachedProbe("fanotify_mark", "kprobe:somewhere", links=links)
    programs.confine(Programs(replace(LOADED, probes=(probe,))), NO_SOURCES)
    assert [commands] == seen


def test_serving_without_a_filter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A kernel that takes no filter is one warning, with the reason."""

    def install(_: object) -> None:
        raise OSError(EINVAL, os.strerror(EINVAL), "prctl")

    monkeypatch.setattr(seccomp, "install", install)
    programs.confine(Programs(LOADED), NO_SOURCES)
    (record,) = caplog.records
    assert ("WARNING", "serving without a seccomp filter") == (
        record.levelname,
        record.message,
    )
    assert "Invalid argument" in str(vars(record)["reason"])


@pytest.fixture
def adopted(
    monkeypatch: pytest.MonkeyPatch, permission: LoadedPermission
) -> list[tuple[Any, ...]]:
    """Let pins be adopted; return the identities asked for, and those that are kept."""
    seen: list[tuple[Any, ...]] = []

    def adopt_or_load(folder: Path, identity: str, load: Any) -> object:  # noqa: ANN401
        seen.append((folder, identity))
        is_calls = load.func is loader.load
        return LOADED if is_calls else permission

    monkeypatch.setattr(pins, "locked", nullcontext)
    monkeypatch.setattr(pins, "adopt_or_load", adopt_or_load)
    monkeypatch.setattr(
        pins, "remove_others", lambda *arguments: seen.append(("kept", *arguments))
    )
    return seen


def test_pinned_programs(
    tmp_path: Path, stack: ExitStack, adopted: list[tuple[Any, ...]]
) -> None:
    """Pinned programs are adopted only if all their settings are the same."""
    for options, container in (
        (BpfOptions("kprobe", 5, 7, tmp_path), False),
        (BpfOptions("fentry", 5, 7, tmp_path), False),
        (BpfOptions("kprobe", 6, 7, tmp_path), False),
        (BpfOptions("kprobe", 5, 8, tmp_path), False),
        (BpfOptions("kprobe", 5, 7, tmp_path), True),
    ):
        found = programs.load(options, stack, enabled=CALLS, container=container)
        assert Programs(LOADED) == found
    programs.load(options, stack, enabled={"init_calls"}, container=True)
    asked = [each for each in adopted if each[0] != "kept"]
    assert [tmp_path] * 6 == [folder for folder, _ in asked]
    assert 6 == len({identity for _, identity in asked})


def test_two_pinned_sets(
    tmp_path: Path,
    stack: ExitStack,
    adopted: list[tuple[Any, ...]],
    permission: LoadedPermission,
) -> None:
    """Each set has its own identity, and both are kept."""
    options = BpfOptions("kprobe", 5, 7, tmp_path)
    found = programs.load(options, stack, enabled=BOTH)
    assert Programs(LOADED, permission) == found
    assert (LOADED, permission) == found.sets
    (_, calls), (_, waits), (_, folder, kept) = adopted
    assert calls != waits
    assert (tmp_path, [calls, waits]) == (folder, kept)


def test_pins_without_programs(
    tmp_path: Path, stack: ExitStack, adopted: list[tuple[Any, ...]]
) -> None:
    """Pinned programs that no collector needs are removed."""
    options = BpfOptions("auto", 5, 7, tmp_path)
    found = programs.load(options, stack, enabled={"limits"})
    assert Programs(NO_PROGRAMS) == found
    assert () == found.sets
    assert "none" == found.bcc
    assert [("kept", tmp_path, [])] == adopted


def test_refused_permission_programs(
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The exporter runs without them, and the log says what is missing and why."""
    caplog.set_level(logging.INFO)

    def refuse(*_: object, **__: object) -> None:
        raise LoadError("no BTF")

    monkeypatch.setattr(loader, "load", lambda *_, **__: LOADED)
    monkeypatch.setattr(loader, "load_permission", refuse)
    found = programs.load(BpfOptions("auto", 5, 7, None), stack, enabled=BOTH)
    assert Programs(LOADED, None, "no BTF") == found
    programs.log_programs(found, LiveSources(waits=WaitSource("procfs", "no iterator")))
    counted, listed = (r for r in caplog.records if "permission" in r.message)
    assert ("WARNING", "permission waits are not counted", "no BTF") == (
        counted.levelname,
        counted.message,
        vars(counted)["reason"],
    )
    assert "fanotify_permission_waits_total" in vars(counted)["missing"]
    assert ("INFO", "no iterator") == (listed.levelname, vars(listed)["reason"])
    assert listed.message.endswith(" are read from /proc")


@pytest.fixture
def unpinnable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the kernel refuse to pin; return the names of sets, which a test adds."""
    refused: list[str] = []

    def adopt_or_load(_: Path, __: str, load: Any) -> object:  # noqa: ANN401
        name = "calls" if load.func is loader.load else "permission"
        if name in refused:
            raise PinError("cannot pin. Pins of kprobes need Linux 5.15")
        return LOADED

    monkeypatch.setattr(pins, "locked", nullcontext)
    monkeypatch.setattr(pins, "adopt_or_load", adopt_or_load)
    monkeypatch.setattr(pins, "remove_others", lambda *_: None)
    return refused


def test_permission_programs_that_cannot_be_pinned(
    tmp_path: Path, stack: ExitStack, unpinnable: list[str]
) -> None:
    """The exporter runs without them, as if they could not be loaded."""
    unpinnable.append("permission")
    found = programs.load(BpfOptions("auto", 5, 7, tmp_path), stack, enabled=BOTH)
    reason = "cannot pin. Pins of kprobes need Linux 5.15"
    assert Programs(LOADED, None, reason) == found


def test_calls_that_cannot_be_pinned(
    tmp_path: Path, stack: ExitStack, unpinnable: list[str]
) -> None:
    """Programs that count calls and cannot be pinned end the start."""
    unpinnable.append("calls")
    with pytest.raises(PinError):
        programs.load(BpfOptions("auto", 5, 7, tmp_path), stack, enabled=BOTH)


def test_nothing_is_attached_without_collectors(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that no collector needs is not loaded."""
    for name in ("load", "load_permission", "load_events"):
        monkeypatch.setattr(loader, name, None)
    options = BpfOptions("auto", 5, 7, None)
    assert Programs(NO_PROGRAMS) == programs.load(options, stack, enabled={"limits"})


@pytest.mark.parametrize(
    ("version", "live", "kept"),
    [
        ((5, 10), ITERATOR, {"CAP_BPF"}),
        ((5, 18), ITERATOR, {"CAP_BPF"}),
        ((5, 19), ITERATOR, set()),
        ((5, 18), GROUPS, {"CAP_BPF"}),
        ((5, 18), LiveSources(waits=WaitSource("none", "hidden")), set()),
        ((5, 18), NO_SOURCES, set()),
        (
            (5, 18),
            LiveSources(waits=WaitSource("procfs", "refused")),
            {"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"},
        ),
    ],
)
def test_capabilities_to_list_waiting_tasks(
    version: tuple[int, int],
    live: LiveSources,
    kept: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before Linux 5.19 a pass of the iterator takes CAP_BPF; /proc takes two."""
    monkeypatch.setattr(programs, "kernel_version", lambda: version)
    held = frozenset({"CAP_BPF", "CAP_SYS_ADMIN", *SCAN_CAPABILITIES})
    monkeypatch.setattr(programs, "read_capabilities", lambda: held)
    assert kept == programs.needed_capabilities(live)


@pytest.mark.parametrize(
    ("version", "kept"), [((5, 18), {"CAP_SYS_ADMIN"}), ((5, 19), set())]
)
def test_process_without_cap_bpf(
    version: tuple[int, int], kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that loaded the iterator by CAP_SYS_ADMIN keeps that for the passes."""
    monkeypatch.setattr(programs, "kernel_version", lambda: version)
    monkeypatch.setattr(
        programs, "read_capabilities", lambda: frozenset({"CAP_SYS_ADMIN"})
    )
    assert kept == programs.needed_capabilities(ITERATOR)


@pytest.mark.parametrize(
    ("live", "commands"),
    [
        (ITERATOR, [BPF_ITER_CREATE]),
        (GROUPS, [BPF_ITER_CREATE]),
        (LiveSources(LiveSource("procfs"), WaitSource("procfs", "refused")), []),
        (NO_SOURCES, []),
    ],
)
def test_the_filter_allows_passes(
    live: LiveSources,
    commands: list[int],
    permission: LoadedPermission,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """bpf(2) stays allowed for passes of an iterator that is used."""
    seen: list[object] = []
    monkeypatch.setattr(seccomp, "install", seen.append)
    programs.confine(Programs(LOADED, permission), live)
    assert [commands] == seen


def test_waiting_tasks_that_are_not_seen(
    permission: LoadedPermission, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what is attached, and why no waiting task is seen."""
    live = LiveSources(waits=WaitSource("none", "no iterators; hidden"))
    with caplog.at_level(logging.INFO):
        programs.log_programs(Programs(LOADED, permission), live)
    said = [(each.levelname, each.message) for each in caplog.records[-2:]]
    assert [
        ("INFO", "attached"),
        ("WARNING", "tasks that wait for a permission listener are not seen"),
    ] == said
    attached, unseen = map(vars, caplog.records[-2:])
    assert ("permission", "kprobe") == (attached["programs"], attached["hook"])
    assert "no iterators; hidden" == unseen["reason"]
    assert "fanotify_permission_waiting_tasks" in unseen["missing"]


def test_iterator_is_nothing_to_log(
    permission: LoadedPermission, caplog: pytest.LogCaptureFixture
) -> None:
    """With the iterator, no line is about waiting tasks."""
    with caplog.at_level(logging.INFO):
        programs.log_programs(Programs(NO_PROGRAMS, permission), ITERATOR)
    assert "attached" == caplog.messages[-1]
    assert not [line for line in caplog.messages if "tasks" in line]


def test_limits_of_the_hook_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log says which hooks failed, and what the attached hook misses and costs."""
    with caplog.at_level(logging.DEBUG):
        programs.log_programs(Programs(LOADED), NO_SOURCES)
    assert [
        ("DEBUG", "hook not used", "fentry"),
        ("INFO", "attached", "tracepoint"),
        ("WARNING", "32-bit compat calls are not counted", "tracepoint"),
        ("WARNING", "this hook slows every system call of the host", "tracepoint"),
    ] == [(r.levelname, r.message, vars(r)["hook"]) for r in caplog.records]


def test_log_says_if_the_uid_decides(caplog: pytest.LogCaptureFixture) -> None:
    """Where capabilities cannot be read, a warning says that uid 0 decides, and why."""
    loaded = replace(WITHOUT_MAPS, uid_reason="no member level")
    programs.log_programs(Programs(loaded), NO_SOURCES)
    (record,) = (each for each in caplog.records if "uid 0" in each.message)
    assert ("WARNING", "no member level") == (record.levelname, vars(record)["reason"])


@pytest.mark.parametrize("exact", [True, False])
def test_sums_that_may_be_low_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, exact: bool
) -> None:
    """The log warns about a hook on which the kernel hides calls."""
    exact_on = {"raw_tracepoint": exact}
    monkeypatch.setattr(programs, "sums_are_exact", exact_on.__getitem__)
    loaded = replace(LOADED, hook="raw_tracepoint")
    programs.log_programs(Programs(loaded), NO_SOURCES)
    assert exact != ("sums of calls may be low on this hook" in caplog.messages)


def test_iterator_over_groups(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The iterator is loaded for a collector that needs the groups that exist."""
    monkeypatch.setattr(loader, "load_fsnotify", lambda: FSNOTIFY)
    options = BpfOptions("auto", 5, 7, None)
    monkeypatch.setattr(loader, "load", lambda *_, **__: LOADED)
    found = programs.load(options, stack, enabled={"groups", "mark_calls"})
    assert Programs(LOADED, fsnotify=FSNOTIFY) == found


def test_calls_in_progress(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls in progress need the iterators, and no program that counts calls."""
    monkeypatch.setattr(loader, "load_fsnotify", lambda: FSNOTIFY)
    options = BpfOptions("auto", 5, 7, None)
    found = programs.load(options, stack, enabled={"mark_calls_in_progress"})
    assert Programs(NO_PROGRAMS, fsnotify=FSNOTIFY) == found


def test_calls_in_progress_from_proc(caplog: pytest.LogCaptureFixture) -> None:
    """The log says why the iterator is not used, and serving may read /proc."""
    live = LiveSources(calls=LiveSource("procfs", "refused"))
    assert SCAN_CAPABILITIES == programs.needed_capabilities(live)
    with caplog.at_level(logging.INFO):
        programs.log_programs(Programs(LOADED), live)
    record = caplog.records[-1]
    assert "calls of fanotify_mark in progress are read from /proc" == record.message
    assert "refused" == vars(record)["reason"]


def test_refused_iterator_over_groups(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the iterator the exporter runs, reads /proc, and the log says why."""

    def refuse() -> None:
        raise LoadError("no BTF")

    monkeypatch.setattr(loader, "load_fsnotify", refuse)
    monkeypatch.setattr(loader, "load", lambda *_, **__: LOADED)
    options = BpfOptions("auto", 5, 7, None)
    found = programs.load(options, stack, enabled={"groups"})
    assert (None, "no BTF") == (found.fsnotify, found.fsnotify_reason)
    with caplog.at_level(logging.INFO):
        programs.log_programs(found, LiveSources(LiveSource("procfs", "no BTF")))
    record = caplog.records[-1]
    assert "groups and inotify instances are read from /proc" == record.message
    assert "no BTF" == vars(record)["reason"]


EVENTS = make_events({})


def test_programs_of_events(
    tmp_path: Path, stack: ExitStack, adopted: list[tuple[Any, ...]]
) -> None:
    """The programs are loaded for the collector events only, under their own pin."""
    options = BpfOptions("auto", 5, 7, tmp_path)
    programs.load(options, stack, enabled=CALLS)
    programs.load(options, stack, enabled={"events"})
    programs.load(options, stack, enabled={"events"}, container=True)
    *_, (_, _, calls), (_, first), (_, _, kept), (_, other), _ = adopted
    assert [first] == kept
    assert 3 == len({*calls, first, other})


def test_events_are_counted(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the hook of the programs that count events."""
    monkeypatch.setattr(loader, "load_events", lambda *_, **__: EVENTS)
    options = BpfOptions("auto", 5, 7, None)
    found = programs.load(options, stack, enabled={"events"})
    assert Programs(NO_PROGRAMS, events=EVENTS) == found
    assert ((EVENTS,), "0.26.0") == (found.sets, found.bcc)
    with caplog.at_level(logging.INFO):
        programs.log_programs(found, NO_SOURCES)
    attached = vars(caplog.records[-1])
    assert ("attached", "events", "kprobe") == (
        attached["message"],
        attached["programs"],
        attached["hook"],
    )


def test_refused_programs_of_events(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The exporter runs without them, and the log says what is missing and why."""

    def refuse(*_: object, **__: object) -> None:
        raise LoadError("no BTF")

    monkeypatch.setattr(loader, "load_events", refuse)
    options = BpfOptions("auto", 5, 7, None)
    found = programs.load(options, stack, enabled={"events"})
    assert (None, "no BTF") == (found.events, found.events_reason)
    programs.log_programs(found, NO_SOURCES)
    (record,) = (each for each in caplog.records if "WARNING" == each.levelname)
    assert ("events are not counted", "no BTF", "fanotify_events_total") == (
        record.message,
        vars(record)["reason"],
        vars(record)["missing"],
    )
