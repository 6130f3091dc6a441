"""HTTP basic authentication against bcrypt hashes."""

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


# Verified credentials to remember; a host usually has a few scrapers and people.
MAX_VERIFIED = 128

# Passwords of one client that may wait for bcrypt, so that one client that guesses
# passwords does not delay the others for long.
MAX_WAITING = 4

# bcrypt ignores the rest of a longer password; newer versions of the library refuse
# it instead (bcrypt 5.0).
BCRYPT_BYTES = 72


class BasicAuth:
    """
    HTTP basic authentication.

    bcrypt is slow by design, so it runs on a worker thread, one password at a time.
    Correct credentials are remembered as a keyed hash for the life of this object.
    An unknown user name takes as long as a known one.
    """

    def __init__(self, users: Mapping[str, str], worker: Worker) -> None:
        """Accept *users*, bcrypt hashes by name. At least one is required."""
        self._hashes = {name.encode(): each.encode() for name, each in users.items()}
        self._worker = worker
        self._key = secrets.token_bytes()
        self._verified: dict[bytes, None] = {}
        self._waiting: Counter[Hashable] = Counter()

    async def authorize(self, authorization: str, client: Hashable) -> HTTPStatus:
        """
        Return OK for an Authorization header with correct credentials.

        Otherwise return UNAUTHORIZED, or TOO_MANY_REQUESTS while MAX_WAITING other
        passwords of *client* wait for bcrypt.
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
            correct = await self._worker.run(partial(self._verify, digest, credentials))
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]
        return HTTPStatus.OK if correct else HTTPStatus.UNAUTHORIZED

    def _verify(self, digest: bytes, credentials: bytes) -> bool:
        """Verify with bcrypt, unless a request that was queued before has done so."""
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
        """Return the hash of some user, always the same one for *name*."""
        choice = int.from_bytes(self._digest(name)) % len(self._hashes)
        return list(self._hashes.values())[choice]

    def _digest(self, text: bytes) -> bytes:
        return blake2b(text, key=self._key, digest_size=32).digest()


def parse_credentials(authorization: str) -> bytes | None:
    """
    Return "name:password" of an Authorization header, None if it is malformed.

    >>> parse_credentials("Basic YWxpY2U6c2VjcmV0")
    b'alice:secret'
    """
    found = re.fullmatch(r"(?i:basic) +([A-Za-z0-9+/]+={0,2}) *", authorization)
    try:
        credentials = b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return None
    # bcrypt 4 raises ValueError for a password with a NUL byte.
    return credentials if b":" in credentials and b"\0" not in credentials else None
