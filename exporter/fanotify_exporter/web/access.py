"""The web configuration file as it is now: over what to talk, and whom to let in."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from ssl import SSLContext

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.basic_auth import BasicAuth
from fanotify_exporter.web.config import (
    CLIENT_AUTH,
    PEMS,
    Tls,
    WebConfig,
    parse_web_config,
)
from fanotify_exporter.web.connections import site_of
from fanotify_exporter.web.tls import server_context
from fanotify_exporter.web.worker import Worker


MAX_FILE_BYTES = 1_048_576

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """
    What one state of the files allows.

    Attributes:
        pems: texts of the certificate, its key and the client CA.
        context: for new connections; None for plain HTTP.
        auth: None lets in everyone.
    """

    config: WebConfig
    pems: Mapping[str, bytes]
    context: SSLContext | None
    auth: BasicAuth | None


class AccessControl:
    """
    Keeps to a web configuration file, and to the files that it names.

    They are read anew for each connection and each request, so that what changes
    holds from then on. While they cannot be used nobody is let in; nor does a change
    take away a guard, which is what a half-written file looks like.
    """

    def __init__(self, path: Path) -> None:
        """
        Read the file at *path*.

        Raises:
            ConfigError: it, or a file that it names, cannot be used.
        """
        self._path = path
        self._files: dict[Path, bytes | str] = {}
        self._worker = Worker("bcrypt")
        self._guards: frozenset[str] = frozenset()
        self._access = Access(WebConfig(), {}, None, None)
        self._broken = False
        self._load()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of every answer."""
        return self._access.config.headers

    def context(self) -> SSLContext | None:
        """Return the TLS context for a connection that is new now, None for none."""
        self._look()
        return self._access.context

    async def admit(
        self, context: SSLContext | None, authorization: str, client: str
    ) -> HTTPStatus:
        """
        Return OK to answer a request from *client*, over a connection with *context*.

        Else what to answer instead; MISDIRECTED_REQUEST if another connection is
        needed, because this one was made under settings that no longer hold.
        """
        self._look()
        if context is not self._access.context:
            return HTTPStatus.MISDIRECTED_REQUEST
        if self._broken:
            return HTTPStatus.INTERNAL_SERVER_ERROR
        if auth := self._access.auth:
            return await auth.admit(authorization, site_of(client))
        return HTTPStatus.OK

    def stop(self) -> None:
        """End the thread."""
        self._worker.stop()

    def _look(self) -> None:
        """Load what changed since the last look."""
        if all(read_file(path) == content for path, content in self._files.items()):
            return
        try:
            self._load()
        except ConfigError as error:
            self._broken = True
            log.error("all requests are refused", extra={"reason": error})  # noqa: TRY400
        else:
            self._broken = False

    def _load(self) -> None:
        self._files.clear()
        try:
            config = parse_web_config(self._read(self._path), self._path.parent)
            self._take(config, self._guards_of(config))
        except ConfigError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def _guards_of(self, config: WebConfig) -> frozenset[str]:
        """Return what in *config* keeps strangers out, no less than there was."""
        tls = config.tls
        guards = {
            "tls_server_config": tls,
            "client_auth_type": tls and tls.client_auth == CLIENT_AUTH[-1],
            "basic_auth_users": config.users,
        }
        present = frozenset(name for name, guard in guards.items() if guard)
        if lost := self._guards - present:
            names = " and ".join(sorted(lost))
            raise ConfigError(f"no longer has {names}: restart if that is meant")
        return present

    def _take(self, config: WebConfig, guards: frozenset[str]) -> None:
        before = self._access
        pems = self._pems(config.tls) if config.tls else {}
        if (config.tls, pems) == (before.config.tls, before.pems):
            context = before.context
        else:
            context = server_context(config.tls, pems) if config.tls else None
        auth = BasicAuth(config.users, self._worker) if config.users else None
        self._access = Access(config, pems, context, auth)
        self._guards = guards
        self._log(config)

    def _log(self, config: WebConfig) -> None:
        said = {
            "file": self._path,
            "tls": bool(config.tls),
            "client_auth_type": config.tls.client_auth if config.tls else "",
            "users": len(config.users),
        }
        log.info("web configuration read", extra=said)
        if config.http2:
            log.info("http2 is ignored: HTTP/1.1 is all there is")

    def _pems(self, tls: Tls) -> dict[str, bytes]:
        given = {name: getattr(tls, name) for name in PEMS}
        return {
            name: pem.encode() if isinstance(pem, str) else self._read(pem)
            for name, pem in given.items()
            if pem is not None
        }

    def _read(self, path: Path) -> bytes:
        content = self._files[path] = read_file(path)
        if isinstance(content, str):
            raise ConfigError(f"cannot read {path}: {content}")
        return content


def read_file(path: Path) -> bytes | str:
    """Return what is in the file, or why that cannot be read."""
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return "it is not a file"
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return error.strerror or str(error)
    return content if len(content) <= MAX_FILE_BYTES else "it is over 1 MiB"


def _open(path: str, flags: int) -> int:
    """Open without waiting for whoever has the other end, should there be one."""
    return os.open(path, flags | os.O_NONBLOCK)
