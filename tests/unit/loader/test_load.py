"""The order in which attach methods are tried, with a bcc that refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import load as loader
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS


FENTRY = [method for method in ATTACH_METHODS if method.hook == "fentry"]


@pytest.mark.parametrize(
    ("refusal", "times"),
    [("Operation not permitted", 1), ("Permission denied", len(FENTRY))],
)
def test_forbidden_hooks_are_not_compiled_again(
    monkeypatch: pytest.MonkeyPatch, refusal: str, times: int
) -> None:
    """EPERM ends the trial of a hook; other errors do not."""
    compiled = []

    def refuse(*, text: str, cflags: list[str]) -> None:
        compiled.append((text, cflags))
        raise OSError(refusal)

    monkeypatch.setattr(loader, "import_bcc", lambda: SimpleNamespace(BPF=refuse))
    monkeypatch.setattr(loader, "require_hook", lambda _: None)
    with pytest.raises(LoadError) as error:
        loader.load(FENTRY, 8, container=False)
    expected = f"cannot attach to fanotify_mark: fentry (3 ways tried): {refusal}"
    assert expected == error.value.why
    assert times == len(compiled)
