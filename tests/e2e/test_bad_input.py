"""Errors of the installed program: one line with the reason and the advice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sysconfig
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import CHECKOUT
from tools.harness import privileges
from tools.harness.processes import DEADLINE_SECONDS, environment, poll, running
from tools.harness.serving import LISTEN, SCRIPT


@dataclass(frozen=True, slots=True)
class Refusal:
    """The exit status and the error line of an exporter that did not start."""

    status: int
    line: str


def refusal(
    *arguments: str,
    prefix: Sequence[str | Path] = (),
    env: Mapping[str, str] | None = None,
) -> Refusal:
    """Run an exporter that must not start, and return its error line."""
    ended = subprocess.run(
        [*prefix, SCRIPT, *arguments],
        env=environment(env),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.stdout == b""
    return one_line(ended.returncode, ended.stderr)


def one_line(status: int, output: bytes) -> Refusal:
    """Return the status and the last line of *output*; all others must be log lines."""
    text = output.decode()
    assert text.endswith("\n")
    *log, error = text.splitlines()
    assert error.startswith("fanotify-exporter: ")
    assert all(line.startswith("time=") for line in log), text
    return Refusal(status, error)


def site_packages(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))


@pytest.fixture
def python_without_bcc(tmp_path: Path) -> Path:
    """Make a virtual environment with the exporter's dependencies, without bcc."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    paths = (sysconfig.get_path("purelib"), CHECKOUT / "exporter")
    (site_packages(folder) / "project.pth").write_text("\n".join(map(str, paths)))
    return folder / "bin" / "python"


@pytest.fixture
def taken() -> Iterator[str]:
    """Listen on an address of loopback, and give the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        yield f"{host}:{port}"


@pytest.mark.parametrize(
    "prefix",
    [privileges.WITH_TRACEFS, privileges.WITHOUT_TRACEFS],
    ids=["tracefs", "no-tracefs"],
)
def test_unprivileged_user(prefix: tuple[str, ...]) -> None:
    """The error of an ordinary user names root and the capabilities."""
    said = refusal(LISTEN, prefix=(*prefix, *privileges.nobody()))
    assert said.status == 1
    assert "cannot attach to fanotify_mark" in said.line
    assert "not permitted" in said.line or "denied" in said.line
    assert "root" in said.line
    assert "CAP_BPF" in said.line
    assert "CAP_PERFMON" in said.line


def test_a_folder_that_cannot_be_read_is_not_called_missing() -> None:
    """For a user without access to tracefs the error does not call it unmounted."""
    prefix = (*privileges.WITH_TRACEFS, *privileges.nobody())
    assert "not mounted" not in refusal(LISTEN, prefix=prefix).line


def test_root_without_capabilities() -> None:
    """The error of root without capabilities names the missing capabilities."""
    prefix = (*privileges.WITH_TRACEFS, *privileges.capabilities())
    said = refusal(LISTEN, prefix=prefix)
    assert said.status == 1
    assert "cannot attach to fanotify_mark" in said.line
    assert "Operation not permitted" in said.line
    assert "CAP_BPF" in said.line
    assert "CAP_PERFMON" in said.line


def test_tracefs_that_cannot_be_mounted() -> None:
    """Without tracefs and the right to mount it, the error names both."""
    prefix = (
        *privileges.WITHOUT_TRACEFS,
        *privileges.without_capability("sys_admin"),
    )
    said = refusal(LISTEN, "--bpf.hook=tracepoint", prefix=prefix)
    assert said.status == 1
    assert f"tracefs is not mounted at {privileges.TRACEFS}" in said.line
    assert "Operation not permitted" in said.line
    assert "CAP_SYS_ADMIN" in said.line
    assert "lockdown" not in said.line


def test_no_bcc_for_this_python(python_without_bcc: Path) -> None:
    """The error names the package to install and the Python that misses it."""
    said = refusal(LISTEN, prefix=(python_without_bcc,))
    assert said.status == 1
    assert str(python_without_bcc) in said.line
    assert "No module named 'bcc'" in said.line
    assert "python3-bpfcc" in said.line
    assert "--system-site-packages" in said.line


def test_the_wrong_bcc(python_without_bcc: Path) -> None:
    """The package bcc of PyPI, another project, causes the same error."""
    packages = site_packages(python_without_bcc.parents[1])
    (packages / "bcc.py").write_text("__version__ = '0.1'\n")
    said = refusal(LISTEN, prefix=(python_without_bcc,))
    assert said.status == 1
    assert "python3-bpfcc" in said.line


def test_port_taken(taken: str) -> None:
    """The error names the address and the flag."""
    said = refusal(f"--web.listen-address={taken}")
    assert said.status == 1
    assert taken in said.line
    assert "Address already in use" in said.line
    assert "--web.listen-address" in said.line


def test_address_of_another_host() -> None:
    """The error names an address that no interface of the host has."""
    said = refusal("--web.listen-address=203.0.113.1:0")
    assert said.status == 1
    assert "203.0.113.1:0" in said.line
    assert "--web.listen-address" in said.line


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a..b:0",
        "127.0.0.1\n:0",
        os.fsdecode(b"\xff:0"),
    ],
)
def test_malformed_address(address: str) -> None:
    """The error of a malformed address mentions the address."""
    said = refusal(f"--web.listen-address={address}")
    assert said.status in (1, 2)
    assert "address" in said.line


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--no-such-flag", "--no-such-flag"),
        ("--web.config.fil=x", "did you mean --web.config.file?"),
        ("--collector.groups=false", "use --collector.groups or --no-collector.groups"),
        ("--bpf.max-entries=0", "'0'"),
        ("--web.listen-address", "--web.listen-address"),
        ("surplus", "surplus"),
        ("--two\nlines", "--two"),
    ],
)
def test_bad_flag(flag: str, named: str) -> None:
    """The error names the flag that cannot be used and --help; the status is 2."""
    said = refusal(flag)
    assert said.status == 2
    assert named in said.line
    assert "--help" in said.line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FANOTIFY_EXPORTER_BPF_MAX_ENTRIES", "many"),
        ("FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS", "maybe"),
    ],
)
def test_bad_variable(variable: str, value: str) -> None:
    """The error names the variable that cannot be used, and its value."""
    said = refusal(LISTEN, env={variable: value})
    assert said.status == 2
    assert variable in said.line
    assert repr(value) in said.line


def test_no_procfs(tmp_path: Path) -> None:
    """The error names the folder that is no procfs; the status is 2."""
    said = refusal(LISTEN, f"--path.procfs={tmp_path}")
    assert 2 == said.status
    assert f"--path.procfs: there is no procfs at {tmp_path}." in said.line


def loader_of(parent: int) -> int:
    """Return the pid of the loader, a child of *parent*, or 0."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    for child in children.read_text().split():
        with suppress(FileNotFoundError):  # the child has ended
            if b"loader/child.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_loader_killed(tmp_path: Path, number: signal.Signals) -> None:
    """If the loader is killed, the error names the signal and the memory needed."""
    with running([SCRIPT, LISTEN], tmp_path / "exporter.log") as exporter:
        loader = poll(lambda: loader_of(exporter.pid))
        os.kill(loader, number)
        status = exporter.process.wait(DEADLINE_SECONDS)
        said = one_line(status, exporter.log.read_bytes())
    assert said.status == 1
    assert f"killed by {number.name}" in said.line
    assert "memory" in said.line
