"""Who may come in, by a name and a password whose bcrypt hash is known."""

from __future__ import annotations

import binascii
import re
import secrets
from base64 import b64decode
from collections import Counter
from collections.abc import Hashable, Mapping
from functools import partial
from hashlib import blake2b
from http import HTTPStatus

import bcrypt

from fanotify_exporter.web.worker import Worker


MAX_VERIFIED = 128
MAX_WAITING = 4
"""Of one client's passwords; so no guesser keeps others waiting for long."""
BCRYPT_BYTES = 72
"""Those of a password that bcrypt looks at."""


class BasicAuth:
    """
    HTTP basic authentication.

    bcrypt is slow by design. It runs on a worker's thread, one password at a time,
    and what was right is remembered, as a keyed hash, for as long as this object
    lives. A name that is unknown takes as long as one that is not.
    """

    def __init__(self, users: Mapping[str, str], worker: Worker) -> None:
        """Let in *users*, bcrypt hashes by name; at least one."""
        self._hashes = {name.encode(): each.encode() for name, each in users.items()}
        self._worker = worker
        self._key = secrets.token_bytes()
        self._verified: dict[bytes, None] = {}
        self._waiting: Counter[Hashable] = Counter()

    async def admit(self, authorization: str, client: Hashable) -> HTTPStatus:
        """
        Return OK for a right Authorization header of *client*'s.

        Else UNAUTHORIZED, or TOO_MANY_REQUESTS if too many of the client's wait.
        """
        credentials = parse_credentials(authorization)
        if credentials is None:
            return HTTPStatus.UNAUTHORIZED
        digest = self._digest(credentials)
        if digest in self._verified:
            return HTTPStatus.OK
        if self._waiting[client] >= MAX_WAITING:
            return HTTPStatus.TOO_MANY_REQUESTS
        self._waiting[client] += 1
        try:
            right = await self._worker.run(partial(self._check, digest, credentials))
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]
        return HTTPStatus.OK if right else HTTPStatus.UNAUTHORIZED

    def _check(self, digest: bytes, credentials: bytes) -> bool:
        """Ask bcrypt, unless it just said that these are right."""
        if digest in self._verified:
            return True
        name, _, password = credentials.partition(b":")
        known = name in self._hashes
        expected = self._hashes[name] if known else self._decoy(name)
        if not bcrypt.checkpw(password[:BCRYPT_BYTES], expected) or not known:
            return False
        self._verified[digest] = None
        if len(self._verified) > MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        return True

    def _decoy(self, name: bytes) -> bytes:
        """Return a hash that costs what one of the users' does, always the same."""
        choice = int.from_bytes(self._digest(name)) % len(self._hashes)
        return list(self._hashes.values())[choice]

    def _digest(self, text: bytes) -> bytes:
        return blake2b(text, key=self._key, digest_size=32).digest()


def parse_credentials(authorization: str) -> bytes | None:
    """
    Return "name:password" of a Basic Authorization header, None if it is none.

    >>> parse_credentials("Basic YWxpY2U6c2VjcmV0")
    b'alice:secret'
    """
    found = re.fullmatch(r"(?i:basic) +([A-Za-z0-9+/]+={0,2}) *", authorization)
    try:
        credentials = b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return None
    # bcrypt 4 refuses a NUL, which no password that can be typed has.
    return credentials if b":" in credentials and b"\0" not in credentials else None
