"""The lock on a folder of pins, in an ordinary folder that passes for a bpffs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.bpf import pins
from fanotify_exporter.errors import PinError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pins, "read_mounted", lambda _: [str(tmp_path)])
    return tmp_path / "pins"


def test_second_holder(folder: Path) -> None:
    """While one holds the folder another is refused, and told why."""
    with (
        pins.locked(folder),
        pytest.raises(PinError, match="another exporter uses"),
        pins.locked(folder),
    ):
        pass


def test_what_fails_inside_keeps_its_name(folder: Path) -> None:
    """An error of the holder's own is not taken for a second exporter."""
    with pytest.raises(BlockingIOError), pins.locked(folder):
        raise BlockingIOError
    with pins.locked(folder):
        assert folder.is_dir()
