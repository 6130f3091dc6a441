"""Changes of the web configuration file while the server runs."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from http.client import HTTPSConnection
from pathlib import Path

import bcrypt
import pytest

from fanotify_exporter.web import settings
from fanotify_exporter.web.access import AccessControl
from tools.harness.certificates import make_signed, trusting
from tools.harness.web_clients import connect, is_served
from tools.harness.web_server import (
    basic,
    example_service,
    request,
    serve,
    serve_changing,
    status,
)


TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key%s}\n"
CLIENTS = ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"
USERS = "basic_auth_users: {alice: %s}\n"

# Hashes of the passwords "secret" and "other".
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
OTHER = "$2b$04$VK1M5Q73v/sABDrwDq9mTej8el13DQtolaHdc4UFOpPtq6XBzQx7m"

Look = Callable[[], None]

REFUSED = (500, b"500 Bad Web Configuration File\n")


def test_changed_users(folder: Path) -> None:
    """After a change of users, old passwords are refused and new ones accepted."""
    file = folder / "web.yml"

    def client(port: int, look: Look) -> list[int]:
        both = [status(port, password=each) for each in ("secret", "other")]
        file.write_text(USERS % OTHER)
        look()
        return both + [status(port, password=each) for each in ("secret", "other")]

    assert [200, 401, 401, 200] == serve_changing(folder, USERS % SECRET, client)


def test_changed_certificate(folder: Path) -> None:
    """The next connection after a renewal gets the new certificate."""
    old, new = trusting(folder), folder / "new"
    new.mkdir()
    shutil.copy(folder / "ca.key", new)
    shutil.copy(folder / "ca.pem", new)

    def serial(port: int) -> object:
        with old.wrap_socket(connect(port), server_hostname="localhost") as tls:
            return (tls.getpeercert() or {})["serialNumber"]

    def client(port: int, look: Look) -> list[object]:
        before = [serial(port), serial(port)]
        make_signed(new, "server", "-addext", "subjectAltName=DNS:localhost")
        shutil.copy(new / "server.key", folder)
        shutil.copy(new / "server.pem", folder)
        look()
        return [*before, serial(port), status(port, old)]

    first, again, renewed, answered = serve_changing(folder, TLS % "", client)
    assert first == again
    assert first != renewed
    assert answered == 0  # the new certificate does not name 127.0.0.1


def test_open_connection_after_a_change(folder: Path) -> None:
    """A new client CA also closes connections that the old CA allowed."""

    def client(port: int, look: Look) -> tuple[int, int]:
        with trusting(folder, "client").wrap_socket(
            connect(port), server_hostname="localhost"
        ) as kept:
            assert is_served(kept)
            assert is_served(kept)
            shutil.copy(folder / "stranger.pem", folder / "ca2.pem")
            (folder / "web.yml").write_text(TLS % CLIENTS.replace("ca.pem", "ca2.pem"))
            look()
            assert not is_served(kept)
        return (
            status(port, trusting(folder, "client")),
            status(port, trusting(folder, "stranger")),
        )

    assert (0, 200) == serve_changing(folder, TLS % CLIENTS, client)


def test_scraper_during_a_renewal(folder: Path) -> None:
    """An open connection closes without a response, so the scraper reconnects."""

    def client(port: int, look: Look) -> list[int]:
        connection = HTTPSConnection("127.0.0.1", port, context=trusting(folder))
        statuses = []
        for _ in range(3):
            connection.request("GET", "/-/healthy")
            try:
                answer = connection.getresponse()
            except ConnectionError:
                connection.close()
                statuses.append(0)
                continue
            answer.read()
            statuses.append(answer.status)
            if len(statuses) == 1:
                make_signed(folder, "server", "-addext", "subjectAltName=IP:127.0.0.1")
                look()
        connection.close()
        return statuses

    assert [200, 0, 200] == serve_changing(folder, TLS % "", client)


def test_tls_turned_on(folder: Path) -> None:
    """TLS that is added to the file also holds for open connections."""

    def client(port: int, look: Look) -> tuple[int, bool, int, int]:
        with connect(port) as kept:
            assert is_served(kept)
            first = status(port)
            (folder / "web.yml").write_text(TLS % "")
            look()
            return first, is_served(kept), status(port), status(port, trusting(folder))

    assert (200, False, 0, 200) == serve_changing(folder, "", client)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("web.yml", None, "cannot read {0}/web.yml: No such file or directory"),
        ("web.yml", "tls_server_config: [", "line 1: expected the node content, but"),
        ("web.yml", "", "no longer has basic_auth_users and tls_server_config: "),
        ("web.yml", USERS % SECRET, "no longer has tls_server_config: restart the"),
        (
            "web.yml",
            TLS % "",
            "no longer has basic_auth_users: restart the exporter if",
        ),
        ("server.key", None, "cannot read {0}/server.key: No such file or directory"),
        (
            "server.pem",
            "",
            "tls_server_config.cert_file {0}/server.pem does not contain -",
        ),
    ],
)
def test_invalid_file(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    text: str | None,
    reason: str,
) -> None:
    """While a file is invalid, requests get 500, and one log line has the reason."""
    file = folder / name
    context = trusting(folder)

    def scrape(port: int) -> tuple[int, bytes]:
        answer = request(
            port, "/metrics", context=context, Authorization=basic("secret")
        )
        return answer.status, answer.body[:40]

    def client(port: int, look: Look) -> list[tuple[int, bytes]]:
        good = file.read_text() if file.exists() else TLS % "" + USERS % SECRET
        answers = [scrape(port)]
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        look()
        answers.append(scrape(port))
        look()
        answers.append(scrape(port))
        file.write_text(good)
        look()
        return [*answers, scrape(port)]

    with caplog.at_level(logging.INFO):
        before, refused, again, after = serve_changing(
            folder, TLS % "" + USERS % SECRET, client
        )
    assert 200 == before[0] == after[0]
    assert REFUSED == refused == again
    (line,) = (vars(each) for each in caplog.records if each.levelno == logging.ERROR)
    assert "invalid web configuration: all requests are refused" == line["msg"]
    expected = reason.format(folder)
    if not expected.startswith(f"cannot read {folder}/web.yml"):
        expected = f"{folder}/web.yml: {expected}"
    assert str(line["reason"]).startswith(expected)


def test_client_certificates_stay_required(folder: Path) -> None:
    """A file that no longer requires client certificates is invalid until a restart."""

    def client(port: int, look: Look) -> tuple[int, int]:
        context = trusting(folder, "client")
        before = status(port, context)
        (folder / "web.yml").write_text(TLS % "")
        look()
        return before, status(port, context)

    assert (200, 500) == serve_changing(folder, TLS % CLIENTS, client)


def test_failed_reloads_leak_no_descriptor(folder: Path) -> None:
    """A reload that fails closes the files that it opened."""
    (folder / "web.yml").write_text(TLS % "")
    access = AccessControl(folder / "web.yml")
    (folder / "server.key").unlink()
    (folder / "server.key").mkdir()
    access.look()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        access.look()
    assert before == len(list(Path("/proc/self/fd").iterdir()))
    access.stop()


def test_a_change_holds_within_two_seconds(folder: Path) -> None:
    """The thread finds a change, and no request has to ask for it."""
    file = folder / "web.yml"
    file.write_text(USERS % SECRET)
    access = AccessControl(file)

    def client(port: int) -> tuple[int, int]:
        file.write_text(USERS % OTHER)
        time.sleep(2)
        return status(port, password="secret"), status(port, password="other")

    access.start()
    assert (401, 200) == serve(example_service(), client, access)


def test_verified_passwords_survive_a_renewed_certificate(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a renewal the scraper's password needs no bcrypt, behind no guesses."""
    context = trusting(folder)

    def client(port: int, look: Look) -> tuple[int, int]:
        before = status(port, context, "secret")
        make_signed(folder, "server", "-addext", "subjectAltName=IP:127.0.0.1")
        look()
        monkeypatch.setattr(bcrypt, "checkpw", None)
        return before, status(port, context, "secret")

    config = TLS % "" + USERS % SECRET
    assert (200, 200) == serve_changing(folder, config, client)


def test_a_bug_lets_nobody_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are refused after an unexpected exception, until the next change."""

    def client(port: int, look: Look) -> list[int]:
        with monkeypatch.context() as bug:
            bug.setattr(settings, "parse_web_config", None)
            (folder / "web.yml").write_text(USERS % OTHER)
            look()
            refused = status(port, password="other")
        (folder / "web.yml").write_text(USERS % SECRET)
        look()
        return [refused, status(port, password="secret")]

    assert [500, 200] == serve_changing(folder, USERS % SECRET, client)


def test_files_that_others_may_change_or_read(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is one warning at the start, and one when the mode of a new file differs."""
    file, key, certificate = (
        folder / name for name in ("web.yml", "server.key", "server.pem")
    )
    file.write_text(TLS % "")
    for path, mode in ((file, 0o666), (key, 0o644), (certificate, 0o664)):
        path.chmod(mode)
    access = AccessControl(file)
    write = "other users may write to the file: run chmod go-w"
    read = "every user may read the file, which has a key: run chmod o-r"
    assert {(file, write), (key, read), (certificate, write)} == warnings(caplog)

    file.write_text(TLS % "" + USERS % SECRET)
    access.look()
    assert set() == warnings(caplog)

    file.chmod(0o640)
    file.write_text(f"# Every user may read this certificate.\n{file.read_text()}")
    key.chmod(0o660)
    access.look()
    assert {(key, write)} == warnings(caplog)

    key.chmod(0o640)
    certificate.chmod(0o644)
    file.write_text(TLS % "" + USERS % OTHER)
    access.look()
    assert set() == warnings(caplog)
    access.stop()


def test_key_in_the_configuration_that_others_may_read(
    web_examples: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A key in the web configuration file makes that file secret."""
    file = web_examples / "inline.good.yml"
    for mode, expected in ((0o600, set()), (0o604, {file})):
        file.chmod(mode)
        AccessControl(file).stop()
        assert expected == {path for path, _ in warnings(caplog)}


def warnings(caplog: pytest.LogCaptureFixture) -> set[tuple[object, str]]:
    """Return the file and the text of each new warning."""
    found = [
        (vars(each)["file"], each.message)
        for each in caplog.records
        if each.levelno == logging.WARNING
    ]
    caplog.clear()
    assert len(found) == len(set(found))
    return set(found)
