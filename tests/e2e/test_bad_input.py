"""What an operator reads when something is wrong: one line, and what to do."""

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
    """How an exporter that could not start ended."""

    status: int
    line: str


def refusal(
    *arguments: str,
    prefix: Sequence[str | Path] = (),
    env: Mapping[str, str] | None = None,
) -> Refusal:
    """Run an exporter that must refuse; it may say one line, on stderr."""
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
    """Return what was said, if it was one line and no more."""
    text = output.decode()
    assert text.startswith("fanotify-exporter: ")
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1, text
    return Refusal(status, text.removesuffix("\n"))


def site_packages(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))


@pytest.fixture
def python_without_bcc(tmp_path: Path) -> Path:
    """Make a virtual environment with all that the exporter needs except bcc."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    paths = (sysconfig.get_path("purelib"), CHECKOUT)
    (site_packages(folder) / "project.pth").write_text("\n".join(map(str, paths)))
    return folder / "bin" / "python"


@pytest.fixture
def taken() -> Iterator[str]:
    """Listen on an address and yield it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        yield f"{host}:{port}"


@pytest.mark.parametrize(
    "prefix",
    [privileges.WITH_TRACEFS, privileges.WITHOUT_TRACEFS],
    ids=["tracefs", "no-tracefs"],
)
def test_unprivileged_user(prefix: tuple[str, ...]) -> None:
    """An ordinary user is told to be root, or which capabilities it takes."""
    said = refusal(LISTEN, prefix=(*prefix, *privileges.nobody()))
    assert said.status == 1
    assert "cannot attach to fanotify_mark" in said.line
    assert "not permitted" in said.line or "denied" in said.line
    assert "root" in said.line
    assert "CAP_BPF" in said.line
    assert "CAP_PERFMON" in said.line


def test_a_folder_that_cannot_be_read_is_not_called_missing() -> None:
    """To a user who may not look into tracefs, nobody says that it is not mounted."""
    prefix = (*privileges.WITH_TRACEFS, *privileges.nobody())
    assert "not mounted" not in refusal(LISTEN, prefix=prefix).line


def test_root_without_capabilities() -> None:
    """Root in a container that dropped all is told which capabilities it lacks."""
    prefix = (*privileges.WITH_TRACEFS, *privileges.capabilities())
    said = refusal(LISTEN, prefix=prefix)
    assert said.status == 1
    assert "cannot attach to fanotify_mark" in said.line
    assert "Operation not permitted" in said.line
    assert "CAP_BPF" in said.line
    assert "CAP_PERFMON" in said.line


def test_tracefs_that_cannot_be_mounted() -> None:
    """With no tracefs and no right to mount it, that is the thing to mend."""
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
    """The package to install is named, and which Python looked for it."""
    said = refusal(LISTEN, prefix=(python_without_bcc,))
    assert said.status == 1
    assert str(python_without_bcc) in said.line
    assert "No module named 'bcc'" in said.line
    assert "python3-bpfcc" in said.line
    assert "--system-site-packages" in said.line


def test_the_wrong_bcc(python_without_bcc: Path) -> None:
    """PyPI's package of that name is another project: the answer is the same."""
    packages = site_packages(python_without_bcc.parents[1])
    (packages / "bcc.py").write_text("__version__ = '0.1'\n")
    said = refusal(LISTEN, prefix=(python_without_bcc,))
    assert said.status == 1
    assert "python3-bpfcc" in said.line


def test_port_taken(taken: str) -> None:
    """The address is named, and the flag that chooses another."""
    said = refusal(f"--web.listen-address={taken}")
    assert said.status == 1
    assert taken in said.line
    assert "Address already in use" in said.line
    assert "--web.listen-address" in said.line


def test_address_of_another_host() -> None:
    """An address of the documentation's network is no interface of ours."""
    said = refusal("--web.listen-address=203.0.113.1:0")
    assert said.status == 1
    assert "203.0.113.1:0" in said.line
    assert "--web.listen-address" in said.line


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:http",
        "127.0.0.1:99999",
        "127.0.0.1:-1",
        "a..b:0",
        f"{'long' * 20}:0",
        "[127.0.0.1:0",
        "127.0.0.1]:0",
        "127.0.0.1\n:0",
        os.fsdecode(b"\xff:0"),
    ],
)
def test_malformed_address(address: str) -> None:
    """What is no address is called that, whatever it looks like."""
    said = refusal(f"--web.listen-address={address}")
    assert said.status in (1, 2)
    assert "address" in said.line


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--no-such-flag", "--no-such-flag"),
        ("--web.listen", "--web.listen"),
        ("--bpf.hook=nonsense", "'nonsense'"),
        ("--bpf.max-entries=0", "'0'"),
        ("--bpf.max-entries=many", "'many'"),
        ("--log.level=loud", "'loud'"),
        ("--web.telemetry-path=metrics", "'metrics'"),
        ("--web.telemetry-path=/", "'/'"),
        ("--web.listen-address", "--web.listen-address"),
        ("surplus", "surplus"),
        ("--two\nlines", "--two"),
    ],
)
def test_bad_flag(flag: str, named: str) -> None:
    """A flag that cannot be used is named, with a way on; the status is 2."""
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
    """A variable that cannot be used is named too, not only the flag it stands for."""
    said = refusal(LISTEN, env={variable: value})
    assert said.status == 2
    assert variable in said.line
    assert repr(value) in said.line


def loader_of(parent: int) -> int:
    """Return the pid of *parent*'s child that loads the programs, or 0."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    for child in children.read_text().split():
        with suppress(FileNotFoundError):  # it ended while we looked
            if b"loader/child.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_loader_killed(tmp_path: Path, number: signal.Signals) -> None:
    """When the loader dies at its work, the signal and the likely need are named."""
    with running([SCRIPT, LISTEN], tmp_path / "exporter.log") as exporter:
        loader = poll(lambda: loader_of(exporter.pid))
        os.kill(loader, number)
        status = exporter.process.wait(DEADLINE_SECONDS)
        said = one_line(status, exporter.log.read_bytes())
    assert said.status == 1
    assert f"killed by {number.name}" in said.line
    assert "memory" in said.line
