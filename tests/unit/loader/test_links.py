"""Kprobes that the kernel refuses."""

from __future__ import annotations

import os
from errno import EACCES
from pathlib import Path

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import links, permission
from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS


(KPROBE,) = (each for each in PERMISSION_METHODS if each.hook == "kprobe")


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the kernel have kprobes, and refuse perf events."""

    def refuse(*_: object) -> int:
        raise OSError(EACCES, os.strerror(EACCES), "perf_event_open")

    (tmp_path / "format").mkdir()
    (tmp_path / "type").write_text("8\n")
    (tmp_path / "format/retprobe").write_text("config:0\n")
    monkeypatch.setattr(links, "KPROBE", tmp_path)
    monkeypatch.setattr(links, "_open_event", refuse)


@pytest.mark.usefixtures("refused")
def test_refused_kprobe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where kprobes are refused, no program is compiled for them."""
    monkeypatch.setattr(permission, "compile_parts", None)
    monkeypatch.setattr(permission, "require_hook", lambda _: None)
    with pytest.raises(LoadError, match="Permission denied: 'perf_event_open'"):
        permission._load_method(None, KPROBE, {})
