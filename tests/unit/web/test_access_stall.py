"""Looks at the web configuration that get no answer, as from a permission listener."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from fanotify_exporter.web import access as access_module
from fanotify_exporter.web import settings
from fanotify_exporter.web.access import AccessControl
from fanotify_exporter.web.files import read_file
from tools.harness.certificates import trusting
from tools.harness.web_server import example_service, serve, status


TLS = """\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
"""
USERS = "basic_auth_users: {alice: %s}\n"

# Hashes of the passwords "secret" and "other".
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
OTHER = "$2b$04$VK1M5Q73v/sABDrwDq9mTej8el13DQtolaHdc4UFOpPtq6XBzQx7m"


@pytest.fixture
def waiting_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Let each read wait, as for a permission listener, while the event is not set."""
    may_read = Event()
    may_read.set()

    def read(path: Path) -> bytes | str:
        may_read.wait()
        return read_file(path)

    monkeypatch.setattr(settings, "read_file", read)
    yield may_read
    may_read.set()


def test_a_look_without_answer_changes_nothing(
    folder: Path, waiting_file: Event
) -> None:
    """While reading waits, TLS, users and client CA stay; the change holds later."""
    file = folder / "web.yml"
    file.write_text(TLS + USERS % SECRET)
    access = AccessControl(file)
    context, stranger = trusting(folder, "client"), trusting(folder, "stranger")

    def statuses(port: int) -> list[int]:
        return [
            status(port, context, "secret"),
            status(port, context, "other"),
            status(port, context),
            status(port, stranger, "secret"),
            status(port),
        ]

    def client(port: int) -> tuple[list[int], list[int]]:
        waiting_file.clear()
        file.write_text(TLS + USERS % OTHER)
        looking = Thread(target=access.look)
        looking.start()
        stalled = statuses(port)
        assert looking.is_alive()
        waiting_file.set()
        looking.join()
        return stalled, statuses(port)

    stalled, after = serve(example_service(), client, access)
    assert [200, 401, 401, 0, 0] == stalled
    assert [401, 200, 401, 0, 0] == after


def test_stall_is_logged_once(
    folder: Path,
    waiting_file: Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A look that takes long is one warning, with its age; its end is one line."""
    monkeypatch.setattr(access_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(access_module, "STALL_SECONDS", 0.3)
    (folder / "web.yml").write_text(USERS % SECRET)
    access = AccessControl(folder / "web.yml")

    def client(_: int) -> float:
        access.start()
        time.sleep(0.4)
        waiting_file.clear()
        time.sleep(0.6)
        age = access.age()
        waiting_file.set()
        time.sleep(0.1)
        return age

    with caplog.at_level(logging.INFO):
        age = serve(example_service(), client, access)
    assert 0.5 < age < 0.9
    assert access.age() < 0.3
    assert ["WARNING", "INFO"] == [
        each.levelname for each in caplog.records if "be read" in each.message
    ]
