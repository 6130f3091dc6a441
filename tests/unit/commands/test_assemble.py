"""The registry of the enabled collectors, and the threads that it starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.commands import assemble
from fanotify_exporter.commands.assemble import build_collectors, start_group_scan
from fanotify_exporter.fsnotify import proc_scan
from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.options.model import CollectorOptions, LabelOptions
from tools.harness.exposition import encode_text
from tools.harness.loaded_programs import UNUSED, make_loaded, pack_slot


CALLS = CollectorOptions(frozenset({"mark_calls"}), 30, Path("/proc"))
LABELS = LabelOptions(container=False, dropped=frozenset())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def loaded(memory: Callable[[bytes], int]) -> LoadedPrograms:
    """Give empty maps in ordinary memory."""
    return make_loaded([UNUSED] * 2, max_entries=1, max_user_entries=1, share=memory)


@pytest.mark.parametrize("name", [each.name for each in CATALOG])
def test_only_enabled_collectors(
    name: str, loaded: LoadedPrograms, stack: ExitStack, tmp_path: Path
) -> None:
    """The registry has the enabled collectors, exporter_health and process."""
    options = CollectorOptions(frozenset({name}), 30, tmp_path)
    text = encode_text(
        build_collectors(loaded, options, LABELS, stack).scrape().collect()
    )
    for collector in (name, "exporter_health", "process"):
        success = f'collector_success{{collector="{collector}"}} 1.0\n'
        assert success in text.decode()
    assert 3 == text.count(b"fanotify_exporter_collector_success{")


def test_each_scrape_reads_the_maps(loaded: LoadedPrograms, stack: ExitStack) -> None:
    """Calls between two scrapes are in the families of all collectors at the second."""
    registry = build_collectors(loaded, CALLS, LABELS, stack)
    list(registry.scrape().collect())
    os.pwrite(loaded.fds["slots"], pack_slot(b"late", 1), 0)
    text = encode_text(registry.scrape().collect()).decode()
    assert 'comm="late"' in text
    assert 'fanotify_exporter_map_entries{map="calls_privileged"} 1.0' in text


def test_labels(
    loaded: LoadedPrograms,
    stack: ExitStack,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without cgroup v2 the container labels are empty, and a warning says so."""
    monkeypatch.setattr(assemble, "read_mounted", lambda _: [])
    labels = LabelOptions(container=True, dropped=frozenset({"comm", "mask", "flags"}))
    registry = build_collectors(loaded, CALLS, labels, stack)
    os.pwrite(loaded.fds["slots"], pack_slot(b"a", 1), 0)
    text = encode_text(registry.scrape().collect()).decode()
    assert (
        'fanotify_mark_calls_total{action="add",cgroup="",container_id="",'
        'mark_type="inode"} 1.0\n'
    ) in text
    message = caplog.messages[0]
    assert message.startswith("no cgroup v2 hierarchy is mounted")


def test_inexact_scan_is_logged(
    loaded: LoadedPrograms,
    stack: ExitStack,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If descriptors cannot be compared, a warning names the inexact counts."""
    refused = None, "refused"
    monkeypatch.setattr(proc_scan, "open_file_comparison", lambda _: refused)
    monkeypatch.setattr(BackgroundScan, "start", lambda _: None)
    monkeypatch.setattr(BackgroundScan, "stop", lambda _: None)
    start_group_scan(CallMaps(loaded), CALLS, stack)
    (record,) = caplog.records
    assert logging.WARNING == record.levelno
    assert "cannot compare descriptors (kcmp)" in record.message
    assert "refused" == vars(record)["reason"]
