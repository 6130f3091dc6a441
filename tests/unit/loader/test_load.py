"""The ladder in a process whose kernel refuses."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.compile import _compat_word_offset
from fanotify_exporter.loader.load import load


FENTRY = [method for method in ATTACH_METHODS if method.hook == "fentry"]


@pytest.mark.parametrize(
    ("refusal", "times"),
    [("Operation not permitted", 1), ("Permission denied", len(FENTRY))],
)
def test_forbidden_hooks_are_not_compiled_again(
    monkeypatch: pytest.MonkeyPatch, refusal: str, times: int
) -> None:
    """After EPERM a hook's other methods share its reason; after all else they try."""
    compiled = []

    def refusing(*, text: str, cflags: list[str]) -> None:
        compiled.append((text, cflags))
        raise OSError(refusal)

    bcc = SimpleNamespace(BPF=refusing)
    monkeypatch.setattr("fanotify_exporter.loader.load.import_bcc", lambda: bcc)
    with pytest.raises(LoadError) as error:
        load(FENTRY, 8, container=False)
    names = ", ".join(method.name for method in FENTRY)
    assert f"cannot attach to fanotify_mark: {names}: {refusal}" == error.value.why
    assert times == len(compiled)


@pytest.mark.parametrize(
    ("machine", "release", "offset"),
    [
        ("x86_64", "5.10.0-46-cloud-amd64", 8),
        ("x86_64", "5.11.0", 16),
        ("x86_64", "6.17-rc4-amd64", 16),
        ("x86_64", "6.16+deb14-amd64", 16),
        ("aarch64", "5.10.0", 0),
    ],
)
def test_where_thread_info_tells_of_compat(
    monkeypatch: pytest.MonkeyPatch, machine: str, release: str, offset: int
) -> None:
    """It moved in 5.11; a release may have two numbers and then any text."""
    kernel = SimpleNamespace(machine=machine, release=release)
    monkeypatch.setattr(os, "uname", lambda: kernel)
    assert offset == _compat_word_offset()
