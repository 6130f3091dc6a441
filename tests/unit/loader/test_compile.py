"""Facts about the running kernel that the sources are compiled with."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.compile import (
    Settings,
    compat_word_offset,
    compile_method,
    import_bcc,
)
from fanotify_exporter.loader.maps import MAX_WATCH_ENTRIES
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.privilege import PrivilegeTest


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
def test_compat_word_offset(
    monkeypatch: pytest.MonkeyPatch, machine: str, release: str, offset: int
) -> None:
    """The offset depends on the machine and on two numbers of the release."""
    kernel = SimpleNamespace(machine=machine, release=release)
    monkeypatch.setattr(os, "uname", lambda: kernel)
    assert offset == compat_word_offset()


@pytest.mark.parametrize("method", ATTACH_METHODS, ids=lambda method: method.name)
def test_each_method_is_compiled_from_its_sources(method: AttachMethod) -> None:
    """The text has each part of the method, under the name of its file."""
    compiled = SimpleNamespace(BPF=lambda text, cflags: (text, cflags))
    test = PrivilegeTest("calls/privileged_typed", {"TASK_CRED": 23})
    settings = Settings(8, 4, container=True)
    text, flags = compile_method(compiled, method, test, settings)
    names = [line for line in text.splitlines() if line.startswith("#line")]
    assert [
        f'#line 1 "bpf/{name}.bpf.c"'
        for name in (test.source, "calls/lost", "calls/count", *method.sources)
    ] == names
    assert {
        *("-DMAX_ENTRIES=8", "-DMAX_USER_ENTRIES=4"),
        f"-DMAX_WATCH_ENTRIES={MAX_WATCH_ENTRIES}",
        *("-DCONTAINER=1", "-DTASK_CRED=23"),
    } < set(flags)


def test_python_without_bcc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other project named bcc on PyPI is refused, with advice."""
    monkeypatch.setitem(sys.modules, "bcc", SimpleNamespace())
    with pytest.raises(LoadError, match=r"has no bcc: .*python3-bpfcc"):
        import_bcc()
