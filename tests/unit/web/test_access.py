"""The door over HTTP: TLS, certificates, users, and what changes while it serves."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import ssl
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from http.client import HTTPSConnection
from pathlib import Path
from ssl import SSLContext
from typing import TypeVar

import pytest

from fanotify_exporter.web.access import AccessControl, read_file
from fanotify_exporter.web.basic_auth import MAX_WAITING
from tools.harness.certificates import make_signed
from tools.harness.web_clients import connect, is_served
from tools.harness.web_server import Answer, request, serve, site_of


T = TypeVar("T")

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key%s}\n"
CLIENTS = ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"
USERS = "basic_auth_users: {alice: %s}\n"
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
OTHER = "$2b$04$VK1M5Q73v/sABDrwDq9mTej8el13DQtolaHdc4UFOpPtq6XBzQx7m"
"""Of the passwords "secret" and "other"."""
REFUSED = (500, b"500 Bad Web Configuration File\n")


@pytest.fixture
def folder(web_examples: Path, tmp_path: Path) -> Path:
    """Give a folder with the certificates, to change."""
    for path in web_examples.glob("*.*"):
        if path.suffix in (".pem", ".key"):
            shutil.copy(path, tmp_path)
    return tmp_path


def behind(folder: Path, text: str, client: Callable[[int], T]) -> T:
    """Serve by a web.yml of *text* while *client* talks to the port."""
    (folder / "web.yml").write_text(text)
    return serve(site_of(), client, AccessControl(folder / "web.yml"))


def trusting(folder: Path, certificate: str = "") -> SSLContext:
    """Return the settings of a client, with a *certificate* of its own."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if certificate:
        context.load_cert_chain(
            folder / f"{certificate}.pem", folder / f"{certificate}.key"
        )
    return context


def password(text: str) -> str:
    return f"Basic {b64encode(f'alice:{text}'.encode()).decode()}"


def status(port: int, context: SSLContext | None = None, secret: str = "") -> int:
    """Return what /metrics answers, 0 if there is no connection."""
    authorization = password(secret) if secret else ""
    try:
        return request(
            port, "/metrics", context=context, Authorization=authorization
        ).status
    except OSError:
        return 0


def test_tls(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A client that trusts the CA is served; one that talks plain HTTP is not."""

    def client(port: int) -> tuple[int, int, int]:
        unsure = ssl.create_default_context()
        return (
            status(port, trusting(folder)),
            status(port, unsure),
            status(port),
        )

    with caplog.at_level(logging.INFO):
        assert (200, 0, 0) == behind(folder, TLS % "", client)
    assert ["web configuration read"] == [each.msg for each in caplog.records]


@pytest.mark.parametrize(
    ("options", "oldest", "newest"),
    [
        ("", "TLSv1.2", "TLSv1.3"),
        (", min_version: TLS13", "", "TLSv1.3"),
        (", max_version: TLS12", "TLSv1.2", "TLSv1.2"),
    ],
)
def test_versions(folder: Path, options: str, oldest: str, newest: str) -> None:
    """The least and the greatest version are those of the file."""

    def version(port: int, most: ssl.TLSVersion) -> str:
        context = trusting(folder)
        context.maximum_version = most
        try:
            with context.wrap_socket(connect(port), server_hostname="localhost") as tls:
                return tls.version() or ""
        except ssl.SSLError:
            return ""

    wanted = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    found = behind(
        folder, TLS % options, lambda port: [version(port, most) for most in wanted]
    )
    assert [oldest, newest] == found


def test_no_http2(folder: Path) -> None:
    """Who would rather have HTTP/2 is told HTTP/1.1, whatever the file says."""

    def client(port: int) -> str | None:
        context = trusting(folder)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(connect(port), server_hostname="localhost") as tls:
            return tls.selected_alpn_protocol()

    http2 = "http_server_config: {http2: true}\n"
    assert "http/1.1" == behind(folder, TLS % "" + http2, client)


@pytest.mark.parametrize(
    ("policy", "admitted"),
    [
        ("RequireAndVerifyClientCert", {"client"}),
        ("VerifyClientCertIfGiven", {"client", ""}),
        ("NoClientCert", {"client", "", "stranger", "late"}),
    ],
)
def test_client_certificates(folder: Path, policy: str, admitted: set[str]) -> None:
    """A certificate opens if the client CA signed it and its time is not over."""
    options = f", client_auth_type: {policy}"
    if policy != "NoClientCert":
        options += ", client_ca_file: ca.pem"

    def client(port: int) -> set[str]:
        names = ("client", "", "stranger", "late")
        return {name for name in names if status(port, trusting(folder, name)) == 200}

    assert admitted == behind(folder, TLS % options, client)


def test_a_certificate_in_the_file(web_examples: Path) -> None:
    """What is inline serves as well as what is in files."""
    door = AccessControl(web_examples / "inline.good.yml")
    context = trusting(web_examples, "client")
    answer = serve(site_of(), lambda port: status(port, context), door)
    assert 200 == answer


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/none"])
def test_users(folder: Path, path: str) -> None:
    """Every path, health checks too, is for those with a password only."""

    def client(port: int) -> list[Answer]:
        tried = ("", password("wrong"), password("secret"))
        return [request(port, path, Authorization=each) for each in tried]

    *refused, admitted = behind(folder, USERS % SECRET, client)
    for answer in refused:
        assert (401, b"401 Unauthorized\n") == (answer.status, answer.body)
        realm = answer.headers["Www-Authenticate"]
        assert 'Basic realm="fanotify-exporter"' == realm
    assert admitted.status == (404 if path == "/none" else 200)


def test_a_guesser_with_many_addresses(folder: Path) -> None:
    """All addresses of a /64, which one host may have, wait in one short queue."""
    (folder / "web.yml").write_text(USERS % SECRET)
    door = AccessControl(folder / "web.yml")

    async def guess() -> list[int]:
        hosts = [f"2001:db8::{n:x}" for n in range(50)]
        return await asyncio.gather(
            *(door.admit(None, password(host), host) for host in hosts)
        )

    answers = asyncio.run(guess())
    door.stop()
    assert {401: MAX_WAITING, 429: 50 - MAX_WAITING} == Counter(answers)


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "TRACE", "BREW"])
def test_users_and_other_methods(folder: Path, method: str) -> None:
    """No method is a way around."""
    answer = behind(
        folder, USERS % SECRET, lambda port: request(port, "/metrics", method)
    )
    assert answer.status in (401, 405)
    assert len(answer.body) < 30


def test_headers(folder: Path) -> None:
    """The headers of the file are on every answer, in the place of our own."""
    wanted = {"X-Frame-Options": "deny", "Content-Security-Policy": "default-src *"}
    headers = f"http_server_config: {{headers: {wanted}}}\n"

    def client(port: int) -> list[Answer]:
        paths = ("/", "/metrics", "/none")
        return [
            request(port, path, method) for path in paths for method in ("GET", "POST")
        ]

    for answer in behind(folder, headers + USERS % SECRET, client):
        assert wanted.items() <= answer.headers.items()
        assert "nosniff" == answer.headers["X-Content-Type-Options"]


def test_changed_users(folder: Path) -> None:
    """A password that was taken away no longer opens, not even where it just did."""
    file = folder / "web.yml"

    def client(port: int) -> list[int]:
        both = [status(port, secret=each) for each in ("secret", "other")]
        file.write_text(USERS % OTHER)
        return both + [status(port, secret=each) for each in ("secret", "other")]

    assert [200, 401, 401, 200] == behind(folder, USERS % SECRET, client)


def test_changed_certificate(folder: Path) -> None:
    """A renewed certificate is what the next connection sees, as is a renewed CA."""
    old, new = trusting(folder), folder / "new"
    new.mkdir()
    shutil.copy(folder / "ca.key", new)
    shutil.copy(folder / "ca.pem", new)

    def serial(port: int) -> object:
        with old.wrap_socket(connect(port), server_hostname="localhost") as tls:
            return (tls.getpeercert() or {})["serialNumber"]

    def client(port: int) -> list[object]:
        before = [serial(port), serial(port)]
        make_signed(new, "server", "-addext", "subjectAltName=DNS:localhost")
        shutil.copy(new / "server.key", folder)
        shutil.copy(new / "server.pem", folder)
        return [*before, serial(port), status(port, old)]

    first, again, renewed, answered = behind(folder, TLS % "", client)
    assert first == again
    assert first != renewed
    assert answered == 0  # its address is not in the new one


def test_a_kept_connection_does_not_outlive_its_settings(folder: Path) -> None:
    """A client whose CA is no longer trusted loses the connection that it had."""

    def client(port: int) -> tuple[int, int]:
        with trusting(folder, "client").wrap_socket(
            connect(port), server_hostname="localhost"
        ) as kept:
            assert is_served(kept)
            assert is_served(kept)
            shutil.copy(folder / "stranger.pem", folder / "ca2.pem")
            (folder / "web.yml").write_text(TLS % CLIENTS.replace("ca.pem", "ca2.pem"))
            assert not is_served(kept)
        return (
            status(port, trusting(folder, "client")),
            status(port, trusting(folder, "stranger")),
        )

    assert (0, 200) == behind(folder, TLS % CLIENTS, client)


def test_a_scraper_notices_no_renewal(folder: Path) -> None:
    """Its kept connection is closed without an answer, so it asks over a new one."""

    def client(port: int) -> list[int]:
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
            make_signed(folder, "server", "-addext", "subjectAltName=IP:127.0.0.1")
        connection.close()
        return statuses

    assert [200, 0, 200] == behind(folder, TLS % "", client)


def test_tls_from_now_on(folder: Path) -> None:
    """A file that is given TLS while it serves has it at once, also for who was in."""

    def client(port: int) -> tuple[int, bool, int, int]:
        with connect(port) as kept:
            assert is_served(kept)
            first = status(port)
            (folder / "web.yml").write_text(TLS % "")
            return first, is_served(kept), status(port), status(port, trusting(folder))

    assert (200, False, 0, 200) == behind(folder, "", client)


def write(path: Path, text: str) -> Callable[[], object]:
    return lambda: path.write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("web.yml", None, "cannot read {0}/web.yml: No such file or directory"),
        ("web.yml", "tls_server_config: [", "line 1: expected the node content, but"),
        ("web.yml", "", "no longer has basic_auth_users and tls_server_config: "),
        ("web.yml", USERS % SECRET, "no longer has tls_server_config: restart if"),
        ("web.yml", TLS % "", "no longer has basic_auth_users: restart if that is"),
        ("server.key", None, "cannot read {0}/server.key: No such file or directory"),
        ("server.pem", "", "tls_server_config.cert_file {0}/server.pem has no -----"),
    ],
)
def test_a_broken_file_shuts_the_door(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    text: str | None,
    why: str,
) -> None:
    """While it is broken nobody is let in, and one line says why; then it is mended."""
    file = folder / name
    context = trusting(folder)

    def ask(port: int) -> tuple[int, bytes]:
        answer = request(
            port, "/metrics", context=context, Authorization=password("secret")
        )
        return answer.status, answer.body[:40]

    def client(port: int) -> list[tuple[int, bytes]]:
        good = file.read_text() if file.exists() else TLS % "" + USERS % SECRET
        answers = [ask(port)]
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        answers += [ask(port), ask(port)]
        file.write_text(good)
        return [*answers, ask(port)]

    with caplog.at_level(logging.INFO):
        open_, shut, still, mended = behind(folder, TLS % "" + USERS % SECRET, client)
    assert 200 == open_[0] == mended[0]
    assert REFUSED == shut == still
    (line,) = (vars(each) for each in caplog.records if each.levelno == logging.ERROR)
    assert "all requests are refused" == line["msg"]
    expected = f"{folder}/web.yml: {why.format(folder)}"
    assert str(line["reason"]).startswith(expected)


def test_client_certificates_stay_required(folder: Path) -> None:
    """A file that asks for less than it did is taken for a half-written one."""

    def client(port: int) -> tuple[int, int]:
        context = trusting(folder, "client")
        before = status(port, context)
        (folder / "web.yml").write_text(TLS % "")
        return before, status(port, context)

    assert (200, 500) == behind(folder, TLS % CLIENTS, client)


def test_files_that_are_none(tmp_path: Path) -> None:
    """What cannot be read, or not in one go, is told as such and holds up nobody."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"x" * 1_048_577)
    assert {
        "absent": "No such file or directory",
        "fifo": "it is not a file",
        ".": "Is a directory",
        "large": "it is over 1 MiB",
    } == {name: read_file(tmp_path / name) for name in ("absent", "fifo", ".", "large")}
    assert "it is not a file" == read_file(Path("/dev/zero"))


def test_looking_leaks_no_descriptor(folder: Path) -> None:
    """However often a file is found wrong, what was opened is closed."""
    (folder / "web.yml").write_text(TLS % "")
    door = AccessControl(folder / "web.yml")
    (folder / "server.key").unlink()
    (folder / "server.key").mkdir()
    door.context()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        door.context()
    assert before == len(list(Path("/proc/self/fd").iterdir()))
    door.stop()
