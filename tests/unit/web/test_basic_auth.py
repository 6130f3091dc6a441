"""Names and passwords: who comes in, at what cost, and what is remembered."""

from __future__ import annotations

import asyncio
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator
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
def worker() -> Iterator[Worker]:
    worker = Worker("bcrypt")
    yield worker
    worker.stop()


@pytest.fixture
def auth(worker: Worker) -> BasicAuth:
    users = {"alice": hashed("secret"), "\u00d8degaard": hashed("br\u00f8d")}
    return BasicAuth(users, worker)


def admit(auth: BasicAuth, *authorizations: str) -> list[HTTPStatus]:
    """Return what each header gets, one after the other."""

    async def main() -> list[HTTPStatus]:
        return [await auth.admit(each, "192.0.2.1") for each in authorizations]

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
    """Only the user's own password opens, the first time and from memory."""
    assert [expected, expected] == admit(auth, *[header(name, password)] * 2)


def test_a_decoys_password_does_not_open(auth: BasicAuth) -> None:
    """A name that is unknown is refused with the password of any user."""
    tried = [
        header(f"u{n}", password)
        for n in range(9)
        for password in ("secret", "br\u00f8d")
    ]
    assert {NO} == set(admit(auth, *tried))


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_every_kind_of_bcrypt(worker: Worker, prefix: str) -> None:
    """Htpasswd writes $2y$, Go $2a$, Python $2b$: all of them are bcrypt."""
    users = {"alice": prefix + hashed("secret").removeprefix("$2b$")}
    assert [OK] == admit(BasicAuth(users, worker), header("alice", "secret"))


def test_72_bytes_count(worker: Worker) -> None:
    """Bcrypt looks at no more, as everywhere; what is longer is no error."""
    auth = BasicAuth({"alice": hashed("x" * 72)}, worker)
    tried = ("x" * 72, "x" * 73, "x" * 71)
    assert [OK, OK, NO] == admit(auth, *(header("alice", each) for each in tried))


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
def test_no_credentials(authorization: str) -> None:
    """What is not well-formed is nobody's, and bcrypt is not asked."""
    assert parse_credentials(authorization) is None


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_credentials(scheme: str) -> None:
    """The scheme's name has no case, and a password may have colons."""
    coded = b64encode(b"alice:a:b").decode()
    assert b"alice:a:b" == parse_credentials(f"{scheme} {coded}")


def test_what_was_right_is_not_asked_again(
    auth: BasicAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bcrypt is slow, so it is asked once for each right password."""
    assert [OK] == admit(auth, header("alice", "secret"))
    monkeypatch.setattr(bcrypt, "checkpw", None)
    assert [OK] == admit(auth, header("alice", "secret"))


def test_memory_has_no_password(auth: BasicAuth) -> None:
    """What is remembered is a keyed hash, and bounded."""
    assert [OK] == admit(auth, header("alice", "secret"))
    assert "secret" not in str(vars(auth))
    (digest,) = auth._verified
    assert 32 == len(digest)


def test_memory_is_bounded(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many right passwords there are, the oldest are forgotten."""
    monkeypatch.setattr(basic_auth, "MAX_VERIFIED", 3)
    auth = BasicAuth({"alice": hashed("x" * 72)}, worker)
    right = [header("alice", "x" * 72 + str(n)) for n in range(9)]
    assert {OK} == set(admit(auth, *right))
    assert 3 == len(auth._verified)


def seconds(auth: BasicAuth, authorization: str) -> float:
    started = time.perf_counter()
    assert [NO] == admit(auth, authorization)
    return time.perf_counter() - started


def test_an_unknown_name_costs_the_same(worker: Worker) -> None:
    """From the time that a refusal takes, nobody learns who is a user."""
    auth = BasicAuth({"alice": hashed("secret", 8), "bob": hashed("x", 8)}, worker)
    rounds = range(15)
    known = [seconds(auth, header("alice", f"wrong{n}")) for n in rounds]
    unknown = [seconds(auth, header("mallory", f"wrong{n}")) for n in rounds]
    assert 0.5 < statistics.median(unknown) / statistics.median(known) < 2


def test_the_loop_goes_on_meanwhile(worker: Worker) -> None:
    """While bcrypt works, other requests are served: it lets go of Python's lock."""
    auth = BasicAuth({"alice": hashed("secret", 12)}, worker)

    async def main() -> int:
        checking = asyncio.ensure_future(auth.admit(header("alice", "no"), "a"))
        turns = 0
        while not checking.done():
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert asyncio.run(main()) > 10


def test_a_guesser_waits_alone(worker: Worker) -> None:
    """One client's passwords wait in a short queue, so another's turn comes soon."""
    auth = BasicAuth({"alice": hashed("secret", 8)}, worker)

    async def main() -> tuple[list[HTTPStatus], HTTPStatus]:
        guesses = [auth.admit(header("alice", str(n)), "192.0.2.66") for n in range(99)]
        *guessed, right = await asyncio.gather(
            *guesses, auth.admit(header("alice", "secret"), "192.0.2.1")
        )
        return guessed, right

    guessed, right = asyncio.run(main())
    assert right == OK
    assert {NO: basic_auth.MAX_WAITING, WAIT: 95} == {
        each: guessed.count(each) for each in set(guessed)
    }
    assert not auth._waiting


def test_the_same_twice_at_once_costs_one(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser's three requests with one password ask bcrypt once."""
    asked = []
    check = bcrypt.checkpw

    def counting(password: bytes, expected: bytes) -> bool:
        asked.append(password)
        return check(password, expected)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    auth = BasicAuth({"alice": hashed("secret")}, worker)

    async def main() -> list[HTTPStatus]:
        three = [auth.admit(header("alice", "secret"), "a") for _ in range(3)]
        return await asyncio.gather(*three)

    assert [OK, OK, OK] == asyncio.run(main())
    assert [b"secret"] == asked
