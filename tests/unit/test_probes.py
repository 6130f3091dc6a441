"""The ladder in a process whose kernel refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from exporter import probes
from exporter.errors import LoadError
from exporter.hooks import LADDER


FENTRY = [rung for rung in LADDER if rung.hook == "fentry"]


@pytest.mark.parametrize(
    ("refusal", "times"),
    [("Operation not permitted", 1), ("Permission denied", len(FENTRY))],
)
def test_forbidden_hooks_are_not_compiled_again(
    monkeypatch: pytest.MonkeyPatch, refusal: str, times: int
) -> None:
    """After EPERM a hook's other rungs share its reason; after all else they try."""
    compiled = []

    def refusing(*, text: str, cflags: list[str]) -> None:
        compiled.append((text, cflags))
        raise OSError(refusal)

    bcc = SimpleNamespace(BPF=refusing)
    monkeypatch.setattr(probes, "_import_bcc", lambda: bcc)
    with pytest.raises(LoadError) as error:
        probes.load(FENTRY, 8, container=False)
    names = ", ".join(rung.name for rung in FENTRY)
    assert f"cannot attach to fanotify_mark: {names}: {refusal}" == error.value.why
    assert times == len(compiled)
