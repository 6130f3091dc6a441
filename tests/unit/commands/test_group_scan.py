"""Where the background scan for groups and instances gets its list."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.commands.group_scan import make_group_source
from fanotify_exporter.commands.live_sources import LiveSource
from fanotify_exporter.fsnotify import proc_scan
from fanotify_exporter.fsnotify.file_iter import FileIterator
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from fanotify_exporter.options.model import CollectorOptions
from tools.harness.loaded_fsnotify import make_fsnotify


ITERATOR, PROCFS = LiveSource("iterator"), LiveSource("procfs", "no BTF")
LOADED = make_fsnotify()


def options(interval: int | None = None) -> CollectorOptions:
    return CollectorOptions(frozenset({"groups"}), interval, Path("/proc"))


@pytest.mark.parametrize(
    ("source", "loaded", "kind", "interval"),
    [
        (ITERATOR, LOADED, FileIterator, 2.0),
        # In a pid namespace of its own the exporter does not use the iterator.
        (PROCFS, LOADED, ProcScan, 10.0),
        (PROCFS, None, ProcScan, 10.0),
    ],
)
def test_source(
    source: LiveSource,
    loaded: LoadedFsnotify | None,
    kind: type[FileIterator | ProcScan],
    interval: float,
) -> None:
    """Each source has an interval of its own, unless the user gives one."""
    found = make_group_source(source, loaded, options())
    assert type(found) is kind
    assert interval == found.delay(0.001)
    assert 60.0 == make_group_source(source, loaded, options(60)).delay(0.001)


def test_inexact_scan_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If descriptors cannot be compared, a warning names the inexact counts."""
    refused = None, "refused"
    monkeypatch.setattr(proc_scan, "open_file_comparison", lambda _: refused)
    make_group_source(PROCFS, None, options())
    (record,) = caplog.records
    assert logging.WARNING == record.levelno
    assert "cannot compare descriptors (kcmp)" in record.message
    assert "refused" == vars(record)["reason"]
