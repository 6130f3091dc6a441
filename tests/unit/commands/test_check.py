"""The preflight with a loader child that works, and with one that does not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.cli import main
from fanotify_exporter.commands.check import (
    Report,
    Trial,
    as_json,
    as_text,
    check,
    read_lockdown,
)
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS


METHODS = [method.name for method in ATTACH_METHODS]

REPORT = Report(
    version="1.2.3",
    kernel="6.1.0",
    machine="x86_64",
    btf=False,
    tracefs=("/sys/kernel/tracing",),
    lockdown="integrity",
    capabilities=("CAP_BPF", "CAP_PERFMON"),
    bcc="0.26.0",
    llvm="14",
    trials=(
        Trial("fexit", "fentry", False, "no BTF", True, False),  # noqa: FBT003
        Trial("sys_exit", "tracepoint", True, "", False, True),  # noqa: FBT003
    ),
    chosen="sys_exit",
    advice="",
)


def sysfs(folder: Path, lockdown: str | None = None) -> Path:
    (folder / "kernel/btf").mkdir(parents=True)
    (folder / "kernel/btf/vmlinux").touch()
    if lockdown is not None:
        (folder / "kernel/security").mkdir()
        (folder / "kernel/security/lockdown").write_text(lockdown)
    return folder


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none [integrity] confidentiality\n", "integrity"),
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("", "unknown"),
        (None, "unknown: securityfs is not mounted, or the kernel has no lockdown"),
    ],
)
def test_lockdown(tmp_path: Path, text: str | None, mode: str) -> None:
    """The mode is the one in brackets; a kernel without the file has none to say."""
    assert mode == read_lockdown(sysfs(tmp_path, text))


@pytest.mark.usefixtures("handing_over_child")
def test_every_hook_works(tmp_path: Path) -> None:
    """Where every hook attaches, the first of the ladder is chosen."""
    report = check("auto", sysfs(tmp_path, "[none] integrity"))
    assert METHODS == [trial.method for trial in report.trials]
    assert all(trial.works for trial in report.trials)
    assert {""} == {trial.reason for trial in report.trials}
    assert METHODS[0] == report.chosen
    assert ("0.26.0", "14") == (report.bcc, report.llvm)
    assert (__version__, os.uname().release) == (report.version, report.kernel)
    assert (True, "none", "") == (report.btf, report.lockdown, report.advice)


@pytest.mark.usefixtures("handing_over_child")
def test_leaves_no_probe_attached(tmp_path: Path) -> None:
    """What was attached for the trial is let go."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    check("auto", sysfs(tmp_path))
    assert before == len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.usefixtures("handing_over_child")
def test_hook_that_was_asked_for(tmp_path: Path) -> None:
    """All hooks are tried, and the one that the flag names is chosen."""
    report = check("tracepoint", sysfs(tmp_path))
    assert METHODS == [trial.method for trial in report.trials]
    assert "sys_exit" == report.chosen


def test_no_hook_works(loader_child: Callable[[str], None], tmp_path: Path) -> None:
    """Where nothing attaches, every hook has its reason and there is one advice."""
    loader_child("echo $4 is refused >&2; exit 1")
    report = check("auto", sysfs(tmp_path))
    assert report.chosen is None
    for trial in report.trials:
        assert not trial.works
        assert f"{trial.method} is refused" in trial.reason
    assert "150 MB" in report.advice
    assert ("unknown", "unknown") == (report.bcc, report.llvm)


def test_only_the_hook_asked_for_fails(
    loader_child: Callable[[str], None], tmp_path: Path
) -> None:
    """A hook that was asked for and fails is not replaced by another."""
    loader_child("exit 1")
    assert check("kprobe", sysfs(tmp_path)).chosen is None


def test_text() -> None:
    """The text says for each hook whether it works, what it sees and what it costs."""
    lines = [" ".join(line.split()) for line in as_text(REPORT).splitlines()]
    for line in (
        "kernel 6.1.0 x86_64",
        "BTF no: fentry needs it",
        "tracefs /sys/kernel/tracing",
        "lockdown integrity",
        "capabilities CAP_BPF, CAP_PERFMON",
        "bcc 0.26.0, LLVM 14",
        "fentry (fexit) no seen as before",
        "no BTF",
        "tracepoint (sys_exit) yes missed slower",
        "The exporter would run, with sys_exit.",
    ):
        assert line in lines


def test_text_of_a_machine_that_has_nothing() -> None:
    """What is missing is said, and what to do stands last."""
    nothing = replace(
        REPORT, tracefs=(), capabilities=(), chosen=None, advice="Run it as root."
    )
    lines = [" ".join(line.split()) for line in as_text(nothing).splitlines()]
    assert "tracefs not mounted" in lines
    assert "capabilities none of use" in lines
    assert "The exporter would not run. Run it as root." == lines[-1]


def test_json() -> None:
    """A program reads the same from JSON."""
    read = json.loads(as_json(REPORT))
    assert "sys_exit" == read["chosen"]
    assert ["fexit", "sys_exit"] == [trial["method"] for trial in read["trials"]]
    assert {field.name for field in REPORT.__dataclass_fields__.values()} == set(read)


@pytest.mark.usefixtures("handing_over_child")
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``check`` prints its report on stdout and exits with 0 if all is well."""
    assert 0 == main(["check"])
    said = capsys.readouterr()
    assert "" == said.err
    assert said.out.endswith(f"The exporter would run, with {METHODS[0]}.\n")


def test_command_that_finds_nothing(
    loader_child: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """``check --json`` is JSON also when nothing works, and the exit status is 1."""
    loader_child("exit 1")
    assert 1 == main(["check", "--json"])
    assert json.loads(capsys.readouterr().out)["chosen"] is None
