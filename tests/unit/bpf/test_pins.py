"""
A folder of pins: the lock, and pins that cannot be opened.

An ordinary folder stands for a bpffs.
"""

from __future__ import annotations

import os
from dataclasses import replace
from errno import EINVAL
from pathlib import Path

import pytest

from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.errors import PinError
from tools.harness.loaded_programs import UNUSED, make_loaded


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

    def load() -> LoadedCalls:
        raise AssertionError

    message = rf"cannot open the pins in {own}: .* CAP_BPF"
    folder.chmod(0o700)
    with pins.locked(folder) as held, pytest.raises(PinError, match=message):
        pins.adopt_or_load(held, own.name, load)


def test_programs_that_cannot_be_pinned(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that the kernel refuses to pin are detached, and leave no pin."""

    def refuse(*_: object) -> None:
        raise OSError(EINVAL, os.strerror(EINVAL))

    monkeypatch.setattr(pins, "pin", refuse)
    opened = [os.open(tmp_path, os.O_RDONLY) for _ in range(2)]
    loaded = replace(
        make_loaded([UNUSED], share=lambda _: 7),
        fds=dict(zip(("map", "link"), opened, strict=True)),
    )
    with (
        pins.locked(folder) as held,
        pytest.raises(PinError, match="Pins of tracepoints and kprobes need"),
    ):
        pins.adopt_or_load(held, "0123456789abcdef", lambda: loaded)
    assert [] == list(folder.iterdir())
    for fd in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_folder_outside_bpffs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another file system no folder is created."""
    monkeypatch.setattr(pins, "read_mounted", lambda _: ["/proc", "/gone"])
    message = f"{folder} is in no bpffs"
    with pytest.raises(PinError, match=message), pins.locked(folder):
        pass
    assert not folder.exists()
    folder.mkdir(mode=0o700)
    with pytest.raises(PinError, match=message), pins.locked(folder):
        pass


def test_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    """A link in the place of the folder is not followed."""
    folder.symlink_to(tmp_path)
    with pytest.raises(PinError, match="cannot use"), pins.locked(folder):
        pass


def test_folder_that_is_exchanged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All work is in the folder that was checked, whatever its path names later."""
    monkeypatch.setattr(pins, "pin", lambda path, _: path.touch())
    monkeypatch.setattr(pins, "_pin_description", lambda path, _: path.touch())
    checked, foreign = tmp_path / "checked", tmp_path / "foreign"
    old, new = "0123456789abcdef", "fedcba9876543210"
    for each in (folder, foreign):
        (each / old).mkdir(parents=True)
    folder.chmod(0o700)
    loaded = make_loaded([UNUSED], share=lambda _: 7)
    with pins.locked(folder) as held:
        folder.rename(checked)
        folder.symlink_to(foreign)
        assert loaded is pins.adopt_or_load(held, new, lambda: loaded)
        assert {old, new} == {path.name for path in checked.iterdir()}
        pins.remove_others(held, [new])
        assert [new] == [path.name for path in checked.iterdir()]
        names = {f"fd{number}" for number in range(len(loaded.fds))}
        assert {*names, pins.DESCRIPTION} == {
            path.name for path in (checked / new).iterdir()
        }
        assert 1 == pins.unpin(held)
    assert [] == list(checked.iterdir())
    assert [old] == [path.name for path in foreign.iterdir()]
