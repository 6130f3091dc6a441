"""The switch of the kernel's function tracer, as a file of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.bpf import ftrace
from fanotify_exporter.bpf.ftrace import is_attached, require_ftrace
from fanotify_exporter.errors import LoadError


@pytest.fixture(autouse=True)
def both_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on x86 everywhere."""
    monkeypatch.setattr(ftrace, "FTRACE_KINDS", ("fentry", "kprobe"))


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    return tmp_path / "ftrace_enabled"


@pytest.mark.parametrize("hook", ["fentry:do_fanotify_mark", "kprobe:x", "fentry"])
def test_hooks_of_the_function_tracer(switch: Path, hook: str) -> None:
    """What the tracer calls is attached while it is on."""
    switch.write_text("1\n")
    assert is_attached(hook, switch)
    switch.write_text("0\n")
    assert not is_attached(hook, switch)


@pytest.mark.parametrize("hook", ["tracepoint:sys_exit", "raw_tracepoint", "none"])
def test_other_hooks(switch: Path, hook: str) -> None:
    """What the tracer has no part in is attached, whatever the switch says."""
    switch.write_text("0\n")
    assert is_attached(hook, switch)


def test_kernel_without_the_switch(switch: Path) -> None:
    """Where there is no switch nothing is off."""
    assert is_attached("fentry", switch)


def test_attaching_in_vain(switch: Path) -> None:
    """A hook that would not run is refused, with what to do."""
    switch.write_text("0\n")
    require_ftrace("tracepoint", switch)
    with pytest.raises(LoadError, match="Run: sysctl kernel"):
        require_ftrace("fentry", switch)
