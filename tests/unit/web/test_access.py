"""Users and headers from the web configuration file."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from fanotify_exporter.web.access import AccessControl
from fanotify_exporter.web.basic_auth import MAX_WAITING
from tools.harness.web_server import Answer, basic, request, serve_config


USERS = "basic_auth_users: {alice: %s}\n"

# Hash of the password "secret".
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/none"])
def test_users(folder: Path, path: str) -> None:
    """Every path requires a password, also those of health checks."""

    def client(port: int) -> list[Answer]:
        headers = ("", basic("wrong"), basic("secret"))
        return [request(port, path, Authorization=each) for each in headers]

    *refused, accepted = serve_config(folder, USERS % SECRET, client)
    for answer in refused:
        assert (401, b"401 Unauthorized\n") == (answer.status, answer.body)
        realm = answer.headers["Www-Authenticate"]
        assert 'Basic realm="fanotify-exporter"' == realm
    assert accepted.status == (404 if path == "/none" else 200)


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


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "TRACE", "BREW"])
def test_users_with_other_methods(folder: Path, method: str) -> None:
    """No method bypasses the password."""
    answer = serve_config(
        folder, USERS % SECRET, lambda port: request(port, "/metrics", method)
    )
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
