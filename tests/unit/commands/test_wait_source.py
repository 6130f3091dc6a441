"""Where the list of waiting tasks comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.commands import wait_source
from fanotify_exporter.commands.wait_source import WaitSource, find_wait_source
from tools.harness.loaded_permission import make_permission


@pytest.mark.parametrize(
    ("iterator_reason", "unseen", "expected"),
    [
        ("", "hidden", WaitSource("iterator")),
        ("refused", None, WaitSource("procfs", "refused")),
        ("refused", "hidden", WaitSource("none", "refused; hidden")),
    ],
)
def test_best_source(
    iterator_reason: str,
    unseen: str | None,
    expected: WaitSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The iterator is better than /proc, which may show nothing."""
    monkeypatch.setattr(wait_source, "is_initial_pid_namespace", lambda: True)
    loaded = make_permission({}, iterator_reason=iterator_reason, share=lambda _: 7)
    monkeypatch.setattr(wait_source, "unseen_reason", lambda _: unseen)
    assert expected == find_wait_source(loaded)


@pytest.mark.parametrize(("unseen", "name"), [(None, "procfs"), ("hidden", "none")])
def test_pid_namespace(
    unseen: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An iterator that does not see the tasks of the host is not used."""
    loaded = make_permission({}, iterator_reason="", share=lambda _: 7)
    monkeypatch.setattr(wait_source, "is_initial_pid_namespace", lambda: False)
    monkeypatch.setattr(wait_source, "unseen_reason", lambda _: unseen)
    source = find_wait_source(loaded)
    assert name == source.name
    assert source.reason.startswith("in a pid namespace that is not the host's ")


def test_without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The iterator is loaded with the programs; without, procfs is asked."""
    asked: list[Path] = []
    monkeypatch.setattr(wait_source, "unseen_reason", asked.append)
    source = find_wait_source(None, tmp_path)
    assert "procfs" == source.name
    assert "needs the programs" in source.reason
    assert [tmp_path] == asked
