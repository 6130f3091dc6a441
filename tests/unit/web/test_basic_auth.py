"""Credentials: the result, the cost, and the memory of verified ones."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from http import HTTPStatus

import bcrypt
import pytest

from fanotify_exporter.web import basic_auth
from fanotify_exporter.web.basic_auth import BasicAuth, parse_credentials
from fanotify_exporter.web.worker import Worker


OK, NO, WAIT = (
    HTTPStatus.OK,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.TOO_MANY_REQUESTS,
)


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def header(name: str, password: str) -> str:
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.fixture
def auth(worker: Worker) -> BasicAuth:
    users = {"alice": hashed("secret"), "\u00d8degaard": hashed("br\u00f8d")}
    return BasicAuth(users, worker)


def authorize(auth: BasicAuth, *authorizations: str) -> list[HTTPStatus]:
    """Return the status for each header, one after the other."""

    async def main() -> list[HTTPStatus]:
        return [await auth.authorize(each, "192.0.2.1") for each in authorizations]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("alice", "secret", OK),
        ("\u00d8degaard", "br\u00f8d", OK),
        ("alice", "Secret", NO),
        ("alice", "secret ", NO),
        ("alice", "", NO),
        ("", "secret", NO),
        ("Alice", "secret", NO),
        ("bob", "secret", NO),
        ("alice", "br\u00f8d", NO),
        ("alice\0", "secret", NO),
        ("alice", "secret\0", NO),
        ("alice", "x" * 9000, NO),
        ("x" * 9000, "secret", NO),
    ],
)
def test_passwords(
    auth: BasicAuth, name: str, password: str, expected: HTTPStatus
) -> None:
    """Only the user's own password is accepted, at first and from memory."""
    assert [expected, expected] == authorize(auth, *[header(name, password)] * 2)


def test_unknown_names(auth: BasicAuth) -> None:
    """An unknown name is refused, also with the password of any user."""
    tried = [
        header(f"u{n}", password)
        for n in range(9)
        for password in ("secret", "br\u00f8d")
    ]
    assert {NO} == set(authorize(auth, *tried))


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_bcrypt_prefixes(worker: Worker, prefix: str) -> None:
    """The prefixes of htpasswd ($2y$), Go ($2a$) and Python ($2b$) are accepted."""
    users = {"alice": prefix + hashed("secret").removeprefix("$2b$")}
    assert [OK] == authorize(BasicAuth(users, worker), header("alice", "secret"))


def test_long_passwords(worker: Worker) -> None:
    """Only the first 72 bytes count, as in other bcrypt implementations."""
    auth = BasicAuth({"alice": hashed("x" * 72)}, worker)
    tried = ("x" * 72, "x" * 73, "x" * 71)
    assert [OK, OK, NO] == authorize(auth, *(header("alice", each) for each in tried))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic YWxpY2U6c2VjcmV",
        "Basic YWxpY2U",
        "Basic YWxpY2U=",
        "Basic YWxpY2U6c2VjcmV0, Basic YWxpY2U6c2VjcmV0",
        "BasicYWxpY2U6c2VjcmV0",
        "Bearer YWxpY2U6c2VjcmV0",
        "Digest username=alice",
        "alice:secret",
        "Basic alice:secret",
    ],
)
def test_malformed_credentials(authorization: str) -> None:
    """A malformed header has no credentials, so bcrypt does not run."""
    assert parse_credentials(authorization) is None


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_credentials(scheme: str) -> None:
    """The scheme is case-insensitive, and a password may contain colons."""
    coded = b64encode(b"alice:a:b").decode()
    assert b"alice:a:b" == parse_credentials(f"{scheme} {coded}")


def test_verified_credentials_skip_bcrypt(
    auth: BasicAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Correct credentials run bcrypt only once."""
    assert [OK] == authorize(auth, header("alice", "secret"))
    monkeypatch.setattr(bcrypt, "checkpw", None)
    assert [OK] == authorize(auth, header("alice", "secret"))


def test_memory_has_no_password(auth: BasicAuth) -> None:
    """Memory holds a keyed hash instead of the password."""
    assert [OK] == authorize(auth, header("alice", "secret"))
    assert "secret" not in str(vars(auth))
    (digest,) = auth._verified
    assert 32 == len(digest)


def test_memory_is_bounded(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond MAX_VERIFIED the oldest credentials are forgotten."""
    monkeypatch.setattr(basic_auth, "MAX_VERIFIED", 3)
    auth = BasicAuth({"alice": hashed("x" * 72)}, worker)
    correct = [header("alice", "x" * 72 + str(n)) for n in range(9)]
    assert {OK} == set(authorize(auth, *correct))
    assert 3 == len(auth._verified)


def test_an_unknown_name_costs_the_same(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown name costs one bcrypt with the hash of a user, like a known one."""
    verified = []
    check = bcrypt.checkpw

    def recording(password: bytes, expected: bytes) -> bool:
        verified.append((password, expected))
        return check(password, expected)

    monkeypatch.setattr(bcrypt, "checkpw", recording)
    users = {"alice": hashed("secret"), "bob": hashed("x")}
    auth = BasicAuth(users, worker)
    for _ in range(2):
        assert [NO, NO] == authorize(
            auth, header("alice", "wrong"), header("mallory", "wrong")
        )
    hashes = {each.encode() for each in users.values()}
    assert [b"wrong"] * 4 == [password for password, _ in verified]
    assert {expected for _, expected in verified} <= hashes
    assert verified[1] == verified[3]


def test_event_loop_runs_during_bcrypt(worker: Worker) -> None:
    """The event loop runs during bcrypt, which releases the GIL."""
    auth = BasicAuth({"alice": hashed("secret", 9)}, worker)

    async def main() -> int:
        checking = asyncio.ensure_future(auth.authorize(header("alice", "no"), "a"))
        turns = 0
        while not checking.done():
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert asyncio.run(main()) > 3


def test_many_guesses_of_one_client(worker: Worker) -> None:
    """Only MAX_WAITING passwords of one client wait; another client gets an answer."""
    auth = BasicAuth({"alice": hashed("secret")}, worker)

    async def main() -> tuple[list[HTTPStatus], HTTPStatus]:
        guesses = [
            auth.authorize(header("alice", str(n)), "192.0.2.66") for n in range(99)
        ]
        *guessed, correct = await asyncio.gather(
            *guesses, auth.authorize(header("alice", "secret"), "192.0.2.1")
        )
        return guessed, correct

    guessed, correct = asyncio.run(main())
    assert OK == correct
    assert {NO: basic_auth.MAX_WAITING, WAIT: 95} == {
        each: guessed.count(each) for each in set(guessed)
    }
    assert not auth._waiting


def test_concurrent_requests_verify_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Concurrent requests with the same password run bcrypt once."""
    verified = []
    check = bcrypt.checkpw

    def counting(password: bytes, expected: bytes) -> bool:
        verified.append(password)
        return check(password, expected)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    auth = BasicAuth({"alice": hashed("secret")}, worker)

    async def main() -> list[HTTPStatus]:
        three = [auth.authorize(header("alice", "secret"), "a") for _ in range(3)]
        return await asyncio.gather(*three)

    assert [OK, OK, OK] == asyncio.run(main())
    assert [b"secret"] == verified
