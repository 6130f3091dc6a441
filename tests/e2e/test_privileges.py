"""The exporter works with few privileges, and drops privileges after the start."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from tools.harness import caller, privileges
from tools.harness.caller import Calls
from tools.harness.listeners import listening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, SCRIPT, Exporter, serving


def assert_counts(exporter: Exporter, folder: Path) -> None:
    comm = f"e2e-pr-{os.getpid()}"
    caller.make(folder, Calls(comm.encode(), 0x1, 0x20, 7, errno.EBADF))
    key = (comm, "add", "inode", "FAN_MARK_ADD", "FAN_OPEN")
    assert exporter.calls(comm, 7) == {key: 7}


@pytest.mark.parametrize(
    ("prefix", "mounted"),
    [(privileges.WITH_TRACEFS, "tracefs"), (privileges.WITHOUT_TRACEFS, "tmpfs")],
    ids=["tracefs", "no-tracefs"],
)
def test_counts_with_and_without_tracefs(
    tmp_path: Path, prefix: tuple[str, ...], mounted: str
) -> None:
    """The exporter counts without tracefs, and does not mount it."""
    with serving(tmp_path / "exporter.log", prefix=prefix) as exporter:
        assert_counts(exporter, tmp_path)
        lines = Path(f"/proc/{exporter.pid}/mounts").read_text().splitlines()
    mounts = [line.split() for line in lines]
    kinds = [kind for _, folder, kind, *_ in mounts if folder == privileges.TRACEFS]
    assert kinds[-1] == mounted


def test_two_capabilities_are_enough(tmp_path: Path) -> None:
    """With tracefs mounted, CAP_BPF and CAP_PERFMON are sufficient."""
    prefix = (
        *privileges.WITH_TRACEFS,
        *privileges.capabilities(only=("bpf", "perfmon")),
    )
    with serving(tmp_path / "exporter.log", prefix=prefix) as exporter:
        assert_counts(exporter, tmp_path)


PASSWORD_HASH = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
# CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, include/uapi/linux/capability.h.
SCAN_ONLY = 1 << 2 | 1 << 19


def statuses(exporter: Exporter) -> list[dict[str, str]]:
    """Return /proc/PID/task/TID/status of each thread of the exporter."""
    texts = [
        path.read_text() for path in Path(f"/proc/{exporter.pid}/task").glob("*/status")
    ]
    return [
        dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        for text in texts
    ]


def privileges_of(exporter: Exporter) -> set[tuple[int, ...]]:
    """Return the distinct capability sets and no_new_privs of all threads."""
    names = ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")
    return {
        (*(int(status[name], 16) for name in names), int(status["NoNewPrivs"]))
        for status in statuses(exporter)
    }


def test_serving_keeps_capabilities_of_the_scan(
    exporter: Exporter, tmp_path: Path
) -> None:
    """While serving, every thread has only the capabilities that the scan needs."""
    assert_counts(exporter, tmp_path)
    assert {(SCAN_ONLY, SCAN_ONLY, 0, 0, 0, 1)} == privileges_of(exporter)
    assert len(statuses(exporter)) > 1
    line = exporter.process.line("dropped privileges")
    assert "CAP_DAC_READ_SEARCH,CAP_SYS_PTRACE" in line


def test_serving_without_scans_keeps_nothing(tmp_path: Path) -> None:
    """Without collectors that scan /proc the exporter serves without capabilities."""
    arguments = (LISTEN, "--collector.disable-defaults", "--collector.mark_calls")
    with serving(tmp_path / "exporter.log", *arguments) as exporter:
        assert_counts(exporter, tmp_path)
        assert {(0, 0, 0, 0, 0, 1)} == privileges_of(exporter)


def test_serving_as_another_user(tmp_path: Path) -> None:
    """With --run.user=nobody all ids are nobody's, and calls and groups are counted."""
    with (
        serving(tmp_path / "exporter.log", LISTEN, "--run.user=nobody") as exporter,
        listening("group = init(); mark(group, ADD, OPEN, '/')") as listener,
    ):
        assert_counts(exporter, tmp_path)
        assert {(SCAN_ONLY, SCAN_ONLY, 0, 0, 0, 1)} == privileges_of(exporter)
        assert {("65534\t" * 4)[:-1]} == {each["Uid"] for each in statuses(exporter)}
        assert {("65534\t" * 4)[:-1]} == {each["Gid"] for each in statuses(exporter)}
        groups = poll(
            lambda: [
                sample.value
                for sample in exporter.samples("fanotify_groups")
                if sample.labels["comm"] == listener.comm
            ],
            lambda got: got == [1],
        )
        assert [1] == groups
        assert exporter.samples("process_resident_memory_bytes")
        successes = exporter.samples("fanotify_exporter_collector_success")
        assert {1} == {sample.value for sample in successes}


@pytest.mark.parametrize("hook", ["auto", "raw_tracepoint"])
def test_every_thread_is_filtered(hook: str, tmp_path: Path) -> None:
    """All threads have the seccomp filter, and no page and no collector fails."""
    config = tmp_path / "web.yml"
    config.write_text("{}")
    flags = [f"--bpf.hook={hook}", f"--web.config.file={config}"]
    with serving(tmp_path / "exporter.log", LISTEN, *flags) as exporter:
        assert_counts(exporter, tmp_path)
        for path in ("/", "/-/healthy", "/-/ready", "/metrics"):
            assert 200 == exporter.get(path).status
        successes = exporter.samples("fanotify_exporter_collector_success")
        assert {1} == {sample.value for sample in successes}
        found = [(each["Seccomp"], each["NoNewPrivs"]) for each in statuses(exporter)]
        assert len(found) > 2
        assert {("2", "1")} == set(found)
        assert [] == [line for line in exporter.process.lines() if "seccomp" in line]


def test_an_unknown_user() -> None:
    """An unknown user exits with status 2 and an error that names the user."""
    command = [str(SCRIPT), LISTEN, "--run.user=no-such-user"]
    done = subprocess.run(command, capture_output=True, check=False)

    assert 2 == done.returncode
    assert b"there is no user 'no-such-user' here" in done.stderr


def test_password_threads_have_no_other_capabilities(tmp_path: Path) -> None:
    """Threads that check passwords have the same capabilities as the others."""
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users: {{scraper: {PASSWORD_HASH}}}\n")
    arguments = (LISTEN, f"--web.config.file={config}")
    with serving(tmp_path / "exporter.log", *arguments) as exporter:
        assert 401 == exporter.get(headers={"Authorization": "Basic YTpi"}).status
        assert {(SCAN_ONLY, SCAN_ONLY, 0, 0, 0, 1)} == privileges_of(exporter)
