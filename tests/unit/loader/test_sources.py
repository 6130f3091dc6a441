"""What changes the BPF programs changes their identity, and nothing else does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fanotify_exporter.loader import sources
from fanotify_exporter.loader.sources import bpf_folder, identity


def test_identity_is_steady() -> None:
    """The same files and settings give the same sixteen digits."""
    assert re.fullmatch("[0-9a-f]{16}", identity("auto", 64))
    assert identity("auto", 64) == identity("auto", 64)


def test_settings_change_it() -> None:
    """Each setting counts."""
    settings = (("auto", 64), ("fentry", 64), ("auto", 65))
    assert 3 == len({identity(*each) for each in settings})
    assert identity("auto", 64, "x") != identity("auto", 64, "y")


@pytest.mark.parametrize("name", ["fanotify.bpf.c", "include/user_regs.h"])
def test_sources_change_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte in the program or in a header counts."""
    folder = tmp_path / "bpf"
    shutil.copytree(bpf_folder(), folder)
    before = identity()
    monkeypatch.setattr(sources, "bpf_folder", lambda: folder)
    assert before == identity()
    (folder / name).write_text((folder / name).read_text() + "\n")
    assert before != identity()
