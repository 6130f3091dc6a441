"""``fanotify-exporter check``, with a loader child that works, and one that fails."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.bpf.loaded import (
    LoadedCalls,
    LoadedFsnotify,
    LoadedPermission,
)
from fanotify_exporter.cli import main
from fanotify_exporter.commands import wait_source
from fanotify_exporter.commands.check import check, read_lockdown
from fanotify_exporter.commands.check_report import (
    PermissionTrial,
    Report,
    Trial,
    as_json,
    as_text,
)
from fanotify_exporter.commands.live_sources import LiveSource
from fanotify_exporter.commands.wait_source import WaitSource
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run as loader
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from tools.harness.loaded_fsnotify import make_fsnotify
from tools.harness.loaded_permission import make_permission
from tools.harness.loaded_programs import WITHOUT_MAPS


HOOKS = ["fentry", "kprobe", "tracepoint", "raw_tracepoint"]
WAYS = Counter(method.hook for method in ATTACH_METHODS)

LOADED = replace(WITHOUT_MAPS, sees_compat=True, slows_all_syscalls=False)

REPORT = Report(
    version="1.2.3",
    revision="abc",
    kernel="6.1.0",
    machine="x86_64",
    btf=False,
    tracefs=("/sys/kernel/tracing",),
    lockdown="integrity",
    capabilities=("CAP_BPF", "CAP_PERFMON"),
    bcc="0.26.0",
    llvm="14",
    trials=(
        Trial("fentry", False, "no BTF", 3, True, False, True, ""),  # noqa: FBT003
        Trial("tracepoint", True, "", 1, False, True, True, "no cred"),  # noqa: FBT003
        Trial("raw_tracepoint", True, "", 1, True, True, False, ""),  # noqa: FBT003
    ),
    permission=PermissionTrial("kprobe", "", WaitSource("iterator")),
    groups=LiveSource("iterator"),
    chosen="tracepoint",
    advice="",
)


def sysfs(folder: Path, lockdown: str | None = None) -> Path:
    (folder / "kernel/btf").mkdir(parents=True)
    (folder / "kernel/btf/vmlinux").touch()
    if lockdown is not None:
        (folder / "kernel/security").mkdir()
        (folder / "kernel/security/lockdown").write_text(lockdown)
    return folder


def refuse_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no program count permission waits, and no kernel list waiting tasks."""

    def refuse(hook: str) -> None:
        raise LoadError(f"cannot attach to permission_wait: {hook}: no BTF")

    def refuse_iterator() -> None:
        raise LoadError("this kernel has no BTF")

    monkeypatch.setattr(loader, "load_permission", refuse)
    monkeypatch.setattr(loader, "load_fsnotify", refuse_iterator)
    monkeypatch.setattr(wait_source, "unseen_reason", lambda _: "hidden")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """
    Let the loader succeed for attach methods that match a pattern only.

    Permission waits are not counted.
    """
    refuse_permission(monkeypatch)

    def accept(pattern: str) -> None:
        def load(name: str, *sizes: int) -> LoadedCalls:
            assert (1, 1) == sizes
            if re.fullmatch(pattern, name):
                return LOADED
            raise LoadError(
                f"cannot attach to fanotify_mark: {name}: no {name}", "Ask."
            )

        monkeypatch.setattr(loader, "load", load)

    return accept


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
    """The mode is the word in brackets; without the file it is unknown."""
    assert mode == read_lockdown(sysfs(tmp_path, text))


def test_every_hook_works(kernel: Callable[[str], None], tmp_path: Path) -> None:
    """Where every hook attaches, the first is chosen, and no other way is tried."""
    kernel(".*")
    report = check("auto", sysfs(tmp_path, "[none] integrity"))
    assert HOOKS == [trial.hook for trial in report.trials]
    assert {(True, "", 1)} == {
        (trial.works, trial.reason, trial.ways_tried) for trial in report.trials
    }
    assert "fentry" == report.chosen
    assert ("0.26.0", "14") == (report.bcc, report.llvm)
    assert (__version__, os.uname().release) == (report.version, report.kernel)
    assert (True, "none", "") == (report.btf, report.lockdown, report.advice)


def test_leaves_no_program_attached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The descriptors that keep the programs attached are closed after each trial."""
    made: list[int] = []

    def load_permission(_: str) -> LoadedPermission:
        made.append(os.memfd_create("totals"))
        loaded = make_permission({}, share=lambda _: made[-1])
        return replace(loaded, fds={"totals": made[-1]})

    def load(*_: object) -> LoadedCalls:
        made.append(os.memfd_create("slots"))
        return replace(LOADED, fds={"slots": made[-1]})

    monkeypatch.setattr(loader, "load", load)

    def load_fsnotify() -> LoadedFsnotify:
        made.append(os.memfd_create("iterator"))
        return make_fsnotify(made[-1], calls_reason="refused")

    monkeypatch.setattr(loader, "load_permission", load_permission)
    monkeypatch.setattr(loader, "load_fsnotify", load_fsnotify)
    assert LiveSource("iterator") == check("auto", sysfs(tmp_path)).groups
    assert len(HOOKS) + 2 == len(made)
    for fd in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_hook_with_several_ways(kernel: Callable[[str], None], tmp_path: Path) -> None:
    """A hook is one row: it works if one of its attach methods does."""
    methods = [method.name for method in ATTACH_METHODS if method.hook == "fentry"]
    kernel(methods[1])
    fentry, kprobe, *_ = check("auto", sysfs(tmp_path)).trials
    assert (True, "", 2) == (fentry.works, fentry.reason, fentry.ways_tried)
    assert (False, 1) == (kprobe.works, kprobe.ways_tried)


def test_hook_that_the_flag_names(
    kernel: Callable[[str], None], tmp_path: Path
) -> None:
    """All hooks are tried, and the hook that the flag names is chosen."""
    kernel(".*")
    report = check("tracepoint", sysfs(tmp_path))
    assert HOOKS == [trial.hook for trial in report.trials]
    assert "tracepoint" == report.chosen


def test_no_hook_works(kernel: Callable[[str], None], tmp_path: Path) -> None:
    """Where nothing attaches, every hook has its reasons and there is one advice."""
    kernel("none")
    report = check("auto", sysfs(tmp_path))
    assert report.chosen is None
    for trial in report.trials:
        methods = [each.name for each in ATTACH_METHODS if each.hook == trial.hook]
        assert not trial.works
        assert WAYS[trial.hook] == trial.ways_tried
        assert "; ".join(f"no {name}" for name in methods) == trial.reason
    assert "Ask." == report.advice
    assert ("unknown", "unknown") == (report.bcc, report.llvm)


def test_reason_that_several_ways_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A reason that all methods of a hook share is listed once, without their names."""

    def refuse(name: str, *_: int) -> LoadedCalls:
        (hook,) = (each.hook for each in ATTACH_METHODS if each.name == name)
        raise LoadError(f"cannot attach to fanotify_mark: {hook}: EPERM: a: b")

    refuse_permission(monkeypatch)
    monkeypatch.setattr(loader, "load", refuse)
    reasons = {trial.reason for trial in check("auto", sysfs(tmp_path)).trials}
    assert {"EPERM: a: b"} == reasons


def test_hook_that_cannot_read_capabilities(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A hook with which uid 0 decides who is privileged has the reason in its row."""
    refuse_permission(monkeypatch)
    loaded = replace(LOADED, uid_reason="no member level")
    monkeypatch.setattr(loader, "load", lambda *_: loaded)
    report = check("auto", sysfs(tmp_path))
    assert ["no member level"] * 4 == [trial.uid_reason for trial in report.trials]


def test_flag_names_a_hook_that_fails(
    kernel: Callable[[str], None], tmp_path: Path
) -> None:
    """A hook that the flag names and that fails is not replaced by another."""
    kernel("sys_exit|raw_sys_exit")
    assert check("kprobe", sysfs(tmp_path)).chosen is None


@pytest.mark.parametrize(
    ("iterator_reason", "source"),
    [("", WaitSource("iterator")), ("no BTF", WaitSource("none", "no BTF; hidden"))],
)
def test_permission_waits(
    monkeypatch: pytest.MonkeyPatch,
    iterator_reason: str,
    source: WaitSource,
    tmp_path: Path,
) -> None:
    """The report has the hook that counts waits, and the source of waiting tasks."""
    asked: list[str] = []

    def load_permission(hook: str) -> LoadedPermission:
        asked.append(hook)
        loaded = make_permission({}, iterator_reason=iterator_reason)
        return replace(loaded, hook="fentry")

    refuse_permission(monkeypatch)
    monkeypatch.setattr(loader, "load", lambda *_: LOADED)
    monkeypatch.setattr(loader, "load_permission", load_permission)
    report = check("fentry", sysfs(tmp_path))
    assert PermissionTrial("fentry", "", source) == report.permission
    assert ["fentry"] == asked


def test_permission_waits_that_are_not_counted(
    kernel: Callable[[str], None], tmp_path: Path
) -> None:
    """The exporter would run all the same, and the text has the reasons."""
    kernel(".*")
    report = check("auto", sysfs(tmp_path))
    assert report.chosen
    lines = as_text(report).splitlines()
    counted = lines.index("permission waits  not counted")
    assert "    cannot attach to permission_wait: auto: no BTF" == lines[counted + 1]
    assert "waiting tasks     not seen" == lines[counted + 2]
    assert lines[counted + 3].endswith("; hidden")
    assert ["groups            read from /proc", "    this kernel has no BTF"] == lines[
        counted + 4 : counted + 6
    ]


def test_text() -> None:
    """The text has what each hook sees, slows and may miss."""
    lines = [" ".join(line.split()) for line in as_text(REPORT).splitlines()]
    for line in (
        "exporter 1.2.3, revision abc",
        "kernel 6.1.0 x86_64",
        "BTF no: fentry needs it",
        "tracefs /sys/kernel/tracing",
        "lockdown integrity",
        "capabilities CAP_BPF, CAP_PERFMON",
        "bcc 0.26.0, LLVM 14",
        "fentry no counted as before exact 3 ways tried",
        "no BTF",
        "tracepoint yes missed slower exact",
        "uid 0 decides which callers are privileged: no cred",
        "raw_tracepoint yes counted slower may be low",
        "permission waits counted by kprobe",
        "waiting tasks listed by the kernel's iterator",
        "groups listed by the kernel's iterator",
        "The exporter would run, with tracepoint.",
    ):
        assert line in lines


def test_text_of_a_machine_that_has_nothing() -> None:
    """The text names what is missing, and its last line is the advice."""
    nothing = replace(
        REPORT, tracefs=(), capabilities=(), chosen=None, advice="Run it as root."
    )
    lines = [" ".join(line.split()) for line in as_text(nothing).splitlines()]
    assert "tracefs not mounted" in lines
    assert "capabilities none of those needed" in lines
    assert "The exporter would not run. Run it as root." == lines[-1]


def test_json() -> None:
    """The JSON has the fields of the report, and a row for each hook."""
    read = json.loads(as_json(REPORT))
    assert "tracepoint" == read["chosen"]
    assert {
        "hook": "fentry",
        "works": False,
        "reason": "no BTF",
        "ways_tried": 3,
        "sees_compat": True,
        "slows_all_syscalls": False,
        "sums_are_exact": True,
        "uid_reason": "",
    } == read["trials"][0]
    assert {
        "hook": "kprobe",
        "reason": "",
        "waiting_tasks": {"name": "iterator", "reason": ""},
    } == read["permission"]
    assert {"name": "iterator", "reason": ""} == read["groups"]
    assert set(REPORT.__dataclass_fields__) == set(read)


@pytest.mark.usefixtures("handing_over_child")
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``check`` prints its report on stdout and exits with 0 if a hook works."""
    assert 0 == main(["check"])
    said = capsys.readouterr()
    assert "" == said.err
    assert said.out.endswith("The exporter would run, with fentry.\n")


def test_command_that_finds_nothing(
    loader_child: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """``check --json`` prints JSON also if nothing works, and exits with 1."""
    loader_child("exit 1")
    assert 1 == main(["check", "--json"])
    assert json.loads(capsys.readouterr().out)["chosen"] is None
