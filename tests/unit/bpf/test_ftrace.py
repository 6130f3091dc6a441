"""The switch of the kernel's function tracer, in a file of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.bpf import ftrace
from fanotify_exporter.bpf.ftrace import is_attached, require_ftrace
from fanotify_exporter.errors import LoadError


@pytest.fixture(autouse=True)
def _as_on_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the hooks of x86 on every machine."""
    monkeypatch.setattr(ftrace, "FTRACE_HOOKS", ("fentry", "kprobe"))


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    return tmp_path / "ftrace_enabled"


@pytest.mark.parametrize("point", ["fentry:do_fanotify_mark", "kprobe:x", "fentry"])
def test_hooks_of_the_function_tracer(switch: Path, point: str) -> None:
    """Programs that the function tracer calls are attached while the switch is on."""
    switch.write_text("1\n")
    assert is_attached(point, switch)
    switch.write_text("0\n")
    assert not is_attached(point, switch)


@pytest.mark.parametrize("point", ["tracepoint:sys_exit", "raw_tracepoint", "none"])
def test_other_hooks(switch: Path, point: str) -> None:
    """Programs of other hooks are attached while the switch is off."""
    switch.write_text("0\n")
    assert is_attached(point, switch)


def test_kernel_without_the_switch(switch: Path) -> None:
    """On a kernel without the switch, all programs are attached."""
    assert is_attached("fentry", switch)


def test_require_ftrace(switch: Path) -> None:
    """A hook that is switched off is refused, with advice."""
    switch.write_text("0\n")
    require_ftrace("tracepoint", switch)
    with pytest.raises(LoadError, match="Run: sysctl kernel"):
        require_ftrace("fentry", switch)
