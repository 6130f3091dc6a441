"""
A permission listener that does not answer, on the file system of the web configuration.

The file system is a tmpfs of the test. The kernel ends all waits when the listener's
group is closed, which an alarm does if the test does not.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

import pytest

from tools.harness.certificates import make_certificates, trusting
from tools.harness.listeners import Listener, listening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, Exporter, samples, serving
from tools.harness.web_server import Answer, basic, request, status


CONFIG = """\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
basic_auth_users: {alice: %s}
"""
# Hashes of the passwords "secret" and "other".
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
OTHER = "$2b$04$VK1M5Q73v/sABDrwDq9mTej8el13DQtolaHdc4UFOpPtq6XBzQx7m"

pytestmark = pytest.mark.whole_host

LISTENER = """
import signal

signal.alarm(60)
mark(init(CONTENT), FILESYSTEM | ADD, OPEN_PERM, {!r})
"""

STALL_SECONDS = 8


@dataclass(frozen=True)
class Guarded:
    """An exporter and the file system with its web configuration."""

    exporter: Exporter
    folder: Path
    context: SSLContext
    stranger: SSLContext

    @property
    def port(self) -> int:
        return int(self.exporter.addresses[0].rpartition(":")[2])

    def ask(self, path: str) -> Answer:
        """Make a request; the stall outlasts the client's time limit."""
        return request(
            self.port, path, context=self.context, Authorization=basic("secret")
        )

    def age(self) -> float:
        (sample,) = samples(
            self.ask("/metrics").body.decode(),
            "fanotify_exporter_web_config_age_seconds",
        )
        return sample.value

    def stalled(self) -> AbstractContextManager[Listener]:
        """Let each open in the file system wait within the block."""
        return listening(LISTENER.format(str(self.folder)))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """Start an exporter with its web configuration on a tmpfs."""
    certificates, folder = tmp_path / "certificates", tmp_path / "mount"
    certificates.mkdir()
    folder.mkdir()
    make_certificates(certificates)
    with mounted(folder):
        for name in ("server.pem", "server.key", "ca.pem"):
            shutil.copy(certificates / name, folder)
        (folder / "web.yml").write_text(CONFIG % SECRET)
        (folder / "next.yml").write_text(CONFIG % OTHER)
        flag = f"--web.config.file={folder / 'web.yml'}"
        with serving(tmp_path / "log", LISTEN, flag) as exporter:
            yield Guarded(
                exporter,
                folder,
                trusting(certificates, "client"),
                trusting(certificates, "stranger"),
            )


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "scratch", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("first", ["before the stall", "in the stall"])
def test_every_page_is_answered(guarded: Guarded, first: str) -> None:
    """TLS, passwords and pages go on; a change waits, and then holds."""
    if first == "before the stall":
        guarded.ask("/")
        assert guarded.age() < STALL_SECONDS
    with guarded.stalled():
        began = time.monotonic()
        # A rename opens no file.
        (guarded.folder / "next.yml").rename(guarded.folder / "web.yml")
        while time.monotonic() - began < STALL_SECONDS:
            for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
                assert 200 == guarded.ask(path).status
            port = guarded.port
            assert 401 == status(port, guarded.context, "other")
            assert 401 == status(port, guarded.context)
            assert 0 == status(port, guarded.stranger, "secret")
            assert 0 == status(port)
        assert guarded.age() > STALL_SECONDS - 1
    answers = poll(
        lambda: [status(port, guarded.context, each) for each in ("secret", "other")],
        lambda found: found == [401, 200],
        seconds=10,
    )
    assert [401, 200] == answers


def test_sigterm_in_the_stall(guarded: Guarded) -> None:
    """The exporter stops while a thread waits for the listener."""
    with guarded.stalled() as listener:
        poll(guarded.age, lambda age: age > 3)
        code, _ = guarded.exporter.stop(signal.SIGTERM)
        assert listener.process.poll() is None
    assert 0 == code
