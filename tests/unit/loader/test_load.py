"""The order in which attach methods are tried, with a bcc that refuses."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import load as loader
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.compile import Settings
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.privilege import PrivilegeTest
from tools.harness.loaded_programs import make_loaded


METHODS = {method.name: method for method in ATTACH_METHODS}
FENTRY = [method for method in ATTACH_METHODS if method.hook == "fentry"]

SETTINGS = Settings(8, 8)
CAPABILITY = PrivilegeTest("calls/privileged_typed", {})


@pytest.fixture(autouse=True)
def _kernel_with_btf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "by_capability", lambda: CAPABILITY)


@pytest.mark.parametrize(
    ("refusal", "times"),
    [("Operation not permitted", 1), ("Permission denied", 2 * len(FENTRY))],
)
def test_forbidden_hooks_are_not_compiled_again(
    monkeypatch: pytest.MonkeyPatch, refusal: str, times: int
) -> None:
    """EPERM ends the trial of a hook; other errors end one method with one test."""
    compiled = []

    def refuse(*, text: str, cflags: list[str]) -> None:
        compiled.append((text, cflags))
        raise OSError(refusal)

    monkeypatch.setattr(loader, "import_bcc", lambda: SimpleNamespace(BPF=refuse))
    monkeypatch.setattr(loader, "require_hook", lambda _: None)
    with pytest.raises(LoadError) as error:
        loader.load(FENTRY, SETTINGS)
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

    def load(_: object, method: AttachMethod, *__: object) -> object:
        if method.name != works:
            raise LoadError(f"refused: {method.name}")
        return make_loaded(hook=method.hook, share=lambda _: 7)

    monkeypatch.setattr(loader, "import_bcc", SimpleNamespace)
    monkeypatch.setattr(loader, "_load_method", load)
    names = ("fexit", "fexit_read", works, "raw_sys_exit")
    methods = [METHODS[name] for name in dict.fromkeys(names)]
    loaded = loader.load(methods, SETTINGS)
    assert METHODS[works].hook == loaded.hook
    assert reasons == loaded.reasons


def test_kernel_that_lets_no_program_read_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first method is used with the test of the uid, for the kernel's reason."""

    def load(
        _: object, method: AttachMethod, test: PrivilegeTest, __: object
    ) -> LoadedCalls:
        if test is CAPABILITY:
            raise LoadError("unknown func")
        loaded = make_loaded(hook=method.hook, share=lambda _: 7)
        return replace(loaded, uid_reason=test.uid_reason)

    monkeypatch.setattr(loader, "import_bcc", SimpleNamespace)
    monkeypatch.setattr(loader, "_load_method", load)
    loaded = loader.load([METHODS["kretprobe"], METHODS["raw_sys_exit"]], SETTINGS)
    assert ("kprobe", {}) == (loaded.hook, loaded.reasons)
    assert "the kernel refuses to read credentials: unknown func" == loaded.uid_reason
