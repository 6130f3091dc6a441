"""
Access control from the web configuration file.

The TLS settings and the users are reloaded when the file changes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from ssl import SSLContext

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.basic_auth import BasicAuth
from fanotify_exporter.web.config import (
    CLIENT_AUTH,
    PEM_NAMES,
    Tls,
    WebConfig,
    parse_web_config,
)
from fanotify_exporter.web.files import read_file
from fanotify_exporter.web.source_network import source_network
from fanotify_exporter.web.tls import server_context
from fanotify_exporter.web.worker import Worker


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccessState:
    """
    The settings from one version of the files.

    Attributes:
        pems: contents of the certificate, its key and the client CA, by name.
        context: for new connections; None for plain HTTP.
        auth: None if no user is configured.
    """

    config: WebConfig
    pems: Mapping[str, bytes]
    context: SSLContext | None
    auth: BasicAuth | None


class AccessControl:
    """
    Authorize connections and requests as the web configuration file says.

    The file, and the files that it names, are compared with their last content at
    each connection and each request, so a change takes effect at once. While a file
    is invalid, every request is refused. A file that drops TLS, users or required
    client certificates also counts as invalid, because a file that is only half
    written looks like that.
    """

    def __init__(self, path: Path) -> None:
        """
        Load the file at *path*.

        Raises:
            ConfigError: the file, or a file that it names, is invalid.
        """
        self._path = path
        self._files: dict[Path, bytes | str] = {}
        self._worker = Worker("bcrypt")
        self._state = AccessState(WebConfig(), {}, None, None)
        self._broken = False
        self._load()

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of every response."""
        return self._state.config.headers

    def tls_context(self) -> SSLContext | None:
        """Return the TLS context for a new connection, None for plain HTTP."""
        self._reload_if_changed()
        return self._state.context

    async def authorize(
        self, context: SSLContext | None, authorization: str, client: str
    ) -> HTTPStatus:
        """
        Return OK if the request may be answered, else the status to answer with.

        The status MISDIRECTED_REQUEST means that the connection was made under other
        TLS settings, and is to be closed without a response.

        Args:
            context: TLS context of the connection.
            authorization: the Authorization header.
            client: IP address of the client.
        """
        self._reload_if_changed()
        if context is not self._state.context:
            return HTTPStatus.MISDIRECTED_REQUEST
        if self._broken:
            return HTTPStatus.INTERNAL_SERVER_ERROR
        if auth := self._state.auth:
            return await auth.authorize(authorization, source_network(client))
        return HTTPStatus.OK

    def stop(self) -> None:
        """End the bcrypt thread."""
        self._worker.stop()

    def _reload_if_changed(self) -> None:
        if all(read_file(path) == content for path, content in self._files.items()):
            return
        try:
            self._load()
        except ConfigError as error:
            self._broken = True
            log.error(  # noqa: TRY400  the reason suffices
                "invalid web configuration: all requests are refused",
                extra={"reason": error},
            )
        else:
            self._broken = False

    def _load(self) -> None:
        self._files.clear()
        try:
            config = parse_web_config(self._read(self._path), self._path.parent)
            self._check_protections(config)
            self._apply(config)
        except ConfigError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def _check_protections(self, config: WebConfig) -> None:
        """Raise ConfigError if *config* protects less than the current state."""
        dropped = _protections(self._state.config) - _protections(config)
        if dropped:
            names = " and ".join(sorted(dropped))
            raise ConfigError(
                f"no longer has {names}: restart the exporter if this is intended"
            )

    def _apply(self, config: WebConfig) -> None:
        """Make *config* the current state; keep the TLS context if it is the same."""
        before = self._state
        pems = self._read_pems(config.tls) if config.tls else {}
        if (config.tls, pems) == (before.config.tls, before.pems):
            context = before.context
        else:
            context = server_context(config.tls, pems) if config.tls else None
        auth = BasicAuth(config.users, self._worker) if config.users else None
        self._state = AccessState(config, pems, context, auth)
        _log_loaded(self._path, config)

    def _read_pems(self, tls: Tls) -> dict[str, bytes]:
        given = {name: getattr(tls, name) for name in PEM_NAMES}
        return {
            name: pem.encode() if isinstance(pem, str) else self._read(pem)
            for name, pem in given.items()
            if pem is not None
        }

    def _read(self, path: Path) -> bytes:
        """Return the content of a file, and remember it for _reload_if_changed()."""
        content = self._files[path] = read_file(path)
        if isinstance(content, str):
            raise ConfigError(f"cannot read {path}: {content}")
        return content


def _protections(config: WebConfig) -> frozenset[str]:
    """Return the keys in *config* that restrict access."""
    tls = config.tls
    values = {
        "tls_server_config": tls,
        "client_auth_type": tls and tls.client_auth == CLIENT_AUTH[-1],
        "basic_auth_users": config.users,
    }
    return frozenset(name for name, value in values.items() if value)


def _log_loaded(path: Path, config: WebConfig) -> None:
    settings = {
        "file": path,
        "tls": bool(config.tls),
        "client_auth_type": config.tls.client_auth if config.tls else "",
        "users": len(config.users),
    }
    log.info("web configuration read", extra=settings)
    if config.http2:
        log.info("http2 has no effect: this exporter serves HTTP/1.1 only")
