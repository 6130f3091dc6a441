"""The order in which attach methods are tried, with a bcc that refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import load as loader
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS, AttachMethod
from tools.harness.loaded_programs import make_loaded


METHODS = {method.name: method for method in ATTACH_METHODS}
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
        loader.load(FENTRY, 8, 8, container=False)
    expected = f"cannot attach to fanotify_mark: fentry (3 ways tried): {refusal}"
    assert expected == error.value.why
    assert times == len(compiled)


@pytest.mark.parametrize(
    ("works", "reasons"),
    [
        ("fexit", {}),
        ("fexit_wrappers", {}),
        ("kretprobe", {"fentry": "refused: fexit, also: refused: fexit_read"}),
    ],
)
def test_reasons_of_the_hooks_that_are_not_used(
    monkeypatch: pytest.MonkeyPatch, works: str, reasons: dict[str, str]
) -> None:
    """The first method that works is used, with the reasons of the other hooks."""

    def load(_: object, method: AttachMethod, *__: int, container: bool) -> object:
        assert not container
        if method.name != works:
            raise LoadError(f"refused: {method.name}")
        return make_loaded(hook=method.hook, share=lambda _: 7)

    monkeypatch.setattr(loader, "import_bcc", SimpleNamespace)
    monkeypatch.setattr(loader, "_load_method", load)
    names = ("fexit", "fexit_read", works, "raw_sys_exit")
    methods = [METHODS[name] for name in dict.fromkeys(names)]
    loaded = loader.load(methods, 8, 8, container=False)
    assert METHODS[works].hook == loaded.hook
    assert reasons == loaded.reasons
