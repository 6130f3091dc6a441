"""
A folder of pins: the lock, and pins that cannot be opened.

An ordinary folder stands for a bpffs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.errors import PinError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pins, "read_mounted", lambda _: [str(tmp_path)])
    return tmp_path / "pins"


def test_second_exporter(folder: Path) -> None:
    """While the folder is locked, a second lock is refused with the reason."""
    with (
        pins.locked(folder),
        pytest.raises(PinError, match="another exporter uses"),
        pins.locked(folder),
    ):
        pass


def test_error_inside_the_lock(folder: Path) -> None:
    """An error inside the lock is raised unchanged, and the lock is released."""
    with pytest.raises(BlockingIOError), pins.locked(folder):
        raise BlockingIOError
    with pins.locked(folder):
        assert folder.is_dir()


def test_pins_that_cannot_be_opened(folder: Path) -> None:
    """A refusal of the kernel to open a pin is an error with advice."""
    own = folder / "0123456789abcdef"
    own.mkdir(parents=True)
    (own / pins.DESCRIPTION).touch()

    def load() -> LoadedPrograms:
        raise AssertionError

    with pytest.raises(PinError, match=r"cannot open the pins in .* CAP_BPF"):
        pins.adopt_or_load(folder, own.name, load)
