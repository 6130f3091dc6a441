"""
Files that the serving exporter opens, as strace(1) sees them.

strace also sees opens of C libraries, such as OpenSSL and glibc, which Python's audit
events (tests/unit/commands/test_serve_opens.py) leave out.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.harness.certificates import (
    LOCALHOST,
    make_certificates,
    make_signed,
    trusting,
)
from tools.harness.every_request import CONFIG, exercise
from tools.harness.processes import DEADLINE_SECONDS, Running, poll, running
from tools.harness.requirements import need
from tools.harness.serving import LISTEN, Exporter, serving


# strace -y prints the path of each descriptor behind the number.
FOLDER = r"(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>(?:\(deleted\))?, "
CALL = re.compile(rf'(\d+) +(open\(|openat2?\({FOLDER})"(?P<path>[^"]*)"')
# procfs, and the file systems of BPF.
HARMLESS = (Path("/proc"), Path("/sys/fs/bpf"))
CGROUPS = Path("/sys/fs/cgroup")
# Where the ssl module reads certificates from that are in memory.
IN_MEMORY = Path("/dev/fd")


@contextmanager
def traced(exporter: Exporter, folder: Path) -> Iterator[Running]:
    """Attach strace to all threads of *exporter*."""
    calls = ("-f", "-y", "-e", "trace=open,openat,openat2,execve,execveat")
    command = (need("strace"), *calls, "-o", folder / "trace", "-p", str(exporter.pid))
    with running(command, folder / "strace") as strace:
        strace.line("attached")
        yield strace


def opens(folder: Path) -> set[tuple[int, str]]:
    """Return the thread and the path of each open. Fail if a program was executed."""
    found = set()
    for line in (folder / "trace").read_text(errors="replace").splitlines():
        assert "execve" not in line
        if call := CALL.match(line):
            path = os.path.normpath(Path(call["folder"] or "", call["path"]))
            found.add((int(call[1]), path))
        else:
            assert "open" not in line or "resumed>" in line, line
    return found


def below(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(folder)


def threads(found: set[tuple[int, str]], folder: Path) -> set[int]:
    """Return the threads that opened a file below *folder*."""
    return {thread for thread, path in found if below(path, folder)}


@pytest.mark.parametrize("tls", [False, True])
def test_no_answer_waits_for_an_open(tmp_path: Path, *, tls: bool) -> None:
    """
    From the first request to the exit, only two threads open files outside /proc.

    One thread reads the web configuration, and one the names of cgroups.
    """
    config = tmp_path / "config"
    config.mkdir()
    make_certificates(config)
    (config / "web.yml").write_text(CONFIG)
    flags = [LISTEN, "--label.container"]
    flags += [f"--web.config.file={config / 'web.yml'}"] if tls else []
    context = trusting(config, "client") if tls else None
    with serving(tmp_path / "log", *flags) as exporter:
        with traced(exporter, tmp_path) as strace:
            port = int(exporter.addresses[0].rpartition(":")[2])
            exercise(port, "secret" if tls else "", context)
            if tls:
                make_signed(config, "server", "-addext", LOCALHOST)
                poll(exporter.later_lines)
            exercise(port, "secret" if tls else "", context)
            status, _ = exporter.stop(signal.SIGTERM)
            strace.process.wait(DEADLINE_SECONDS)
        assert 0 == status
    found = {
        (thread, path)
        for thread, path in opens(tmp_path)
        if not any(below(path, each) for each in HARMLESS)
    }
    names = threads(found, CGROUPS)
    settings = threads(found, config)
    assert (1, int(tls)) == (len(names), len(settings))
    assert not {exporter.pid} & (names | settings)
    allowed: dict[int, tuple[Path, ...]] = dict.fromkeys(names, (CGROUPS,))
    allowed |= dict.fromkeys(settings, (config, IN_MEMORY))
    assert set() == {
        (thread, path)
        for thread, path in found
        if not any(below(path, each) for each in allowed.get(thread, ()))
    }
