"""Users and headers from the web configuration file."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from fanotify_exporter.web.access import AccessControl
from fanotify_exporter.web.basic_auth import MAX_WAITING
from tools.harness.web_server import Answer, basic, request, serve_config


USERS = "basic_auth_users: {alice: %s}\n"

# Hash of the password "secret".
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"


def test_users(folder: Path) -> None:
    """Every path requires a password, also those of health checks."""
    paths = ("/", "/metrics", "/-/healthy", "/-/ready", "/none")

    def client(port: int) -> list[list[Answer]]:
        return [
            [request(port, path, Authorization=each) for path in paths]
            for each in ("", basic("wrong"), basic("secret"))
        ]

    without, wrong, accepted = serve_config(folder, USERS % SECRET, client)
    for answer in without + wrong:
        assert (401, b"401 Unauthorized\n") == (answer.status, answer.body)
        realm = answer.headers["Www-Authenticate"]
        assert 'Basic realm="fanotify-exporter"' == realm
    assert [200, 200, 200, 200, 404] == [answer.status for answer in accepted]


def test_guesses_from_one_ipv6_network(folder: Path) -> None:
    """All addresses of a /64 share one limit of waiting passwords."""
    (folder / "web.yml").write_text(USERS % SECRET)
    access = AccessControl(folder / "web.yml")

    async def guess() -> list[int]:
        hosts = [f"2001:db8::{n:x}" for n in range(50)]
        return await asyncio.gather(
            *(access.authorize(None, basic(host), host) for host in hosts)
        )

    answers = asyncio.run(guess())
    access.stop()
    assert {401: MAX_WAITING, 429: 50 - MAX_WAITING} == Counter(answers)


def test_users_with_other_methods(folder: Path) -> None:
    """No method bypasses the password."""
    methods = ("POST", "OPTIONS", "TRACE", "BREW")

    def client(port: int) -> list[Answer]:
        return [request(port, "/metrics", method) for method in methods]

    for answer in serve_config(folder, USERS % SECRET, client):
        assert answer.status in (401, 405)
        assert len(answer.body) < 30


def test_headers(folder: Path) -> None:
    """Every response has the headers of the file, instead of the default ones."""
    wanted = {"X-Frame-Options": "deny", "Content-Security-Policy": "default-src *"}
    headers = f"http_server_config: {{headers: {wanted}}}\n"

    def client(port: int) -> list[Answer]:
        paths = ("/", "/metrics", "/none")
        return [
            request(port, path, method) for path in paths for method in ("GET", "POST")
        ]

    for answer in serve_config(folder, headers + USERS % SECRET, client):
        assert wanted.items() <= answer.headers.items()
        assert "nosniff" == answer.headers["X-Content-Type-Options"]
