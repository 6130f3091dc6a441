"""``fanotify-exporter unpin``, in an ordinary folder instead of a bpffs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.bpf import pins
from fanotify_exporter.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with the pins of two sets of programs, and a file of a user."""
    monkeypatch.setattr(pins, "read_mounted", lambda _: [str(tmp_path)])
    folder = tmp_path / "pins"
    folder.mkdir(mode=0o700)
    for identity in ("0123456789abcdef", "fedcba9876543210"):
        (folder / identity).mkdir()
        (folder / identity / "fd0").touch()
    (folder / "notes").touch()
    return folder


def test_removes_pinned_programs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All sets of programs are removed and counted; other files stay."""
    assert 0 == main(["unpin", f"--bpf.pin={folder}"])
    said = f"removed 2 set(s) of pinned programs from {folder}\n"
    assert said == capsys.readouterr().out
    assert ["notes"] == [each.name for each in folder.iterdir()]


def test_folder_from_the_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may come from the variable of the flag, as for serving."""
    monkeypatch.setenv("FANOTIFY_EXPORTER_BPF_PIN", str(folder))
    assert 0 == main(["unpin"])
    assert ["notes"] == [each.name for each in folder.iterdir()]


def test_folder_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pins of an exporter that runs are not removed."""
    with pins.locked(folder):
        assert 1 == main(["unpin", f"--bpf.pin={folder}"])
    assert "another exporter uses the pins" in capsys.readouterr().err
    assert 3 == len(list(folder.iterdir()))


def test_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the flag that is missing."""
    assert 2 == main(["unpin"])
    assert "unpin needs --bpf.pin=DIR" in capsys.readouterr().err


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no exporter pinned programs, nothing is to be removed, and none is made."""
    folder = tmp_path / "pins"
    assert 0 == main(["unpin", f"--bpf.pin={folder}"])
    assert f"nothing to remove: {folder} does not exist\n" == capsys.readouterr().out
    assert not folder.exists()
