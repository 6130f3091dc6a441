"""Settings of the server from the web configuration file and the files it names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
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
from fanotify_exporter.web.files import exposure, read_file
from fanotify_exporter.web.tls import server_context
from fanotify_exporter.web.worker import Worker


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The settings from one version of the files.

    Attributes:
        pems: contents of the certificate, its key and the client CA, by name.
        context: for new connections; None for plain HTTP.
        auth: None if no user is configured.
        broken: whether the files have become invalid since, so that every request is
            refused.
    """

    config: WebConfig
    pems: Mapping[str, bytes]
    context: SSLContext | None
    auth: BasicAuth | None
    broken: bool = False


class SettingsReader:
    """Read the settings, and find out whether one of the files has changed since."""

    def __init__(self, path: Path, worker: Worker) -> None:
        """Read the file at *path*. The passwords are verified on *worker*."""
        self._path = path
        self._worker = worker
        self._files: dict[Path, bytes | str] = {}
        self._exposures: frozenset[tuple[Path, str]] = frozenset()

    def has_changed(self) -> bool:
        """Return whether a file has another content than when it was last read."""
        return any(read_file(path) != text for path, text in self._files.items())

    def read(self, before: Settings) -> Settings:
        """
        Return the settings of the files; keep the parts of *before* that are the same.

        Raises:
            ConfigError: a file is invalid, or protects less than *before*.
        """
        self._files.clear()
        text = self._read(self._path)
        try:
            config = parse_web_config(text, self._path.parent)
            _check_protections(before.config, config)
            settings = self._build(before, config)
        except ConfigError as error:
            raise ConfigError(f"{self._path}: {error}") from None
        _log_read(self._path, config)
        self._warn_of_exposures(config)
        return settings

    def _build(self, before: Settings, config: WebConfig) -> Settings:
        """Return the settings of *config*. The same users keep verified passwords."""
        pems = self._read_pems(config.tls) if config.tls else {}
        if (config.tls, pems) == (before.config.tls, before.pems):
            context = before.context
        else:
            context = server_context(config.tls, pems) if config.tls else None
        if config.users == before.config.users:
            auth = before.auth
        else:
            auth = BasicAuth(config.users, self._worker) if config.users else None
        return Settings(config, pems, context, auth)

    def _read_pems(self, tls: Tls) -> dict[str, bytes]:
        given = {name: getattr(tls, name) for name in PEM_NAMES}
        return {
            name: pem.encode() if isinstance(pem, str) else self._read(pem)
            for name, pem in given.items()
            if pem is not None
        }

    def _read(self, path: Path) -> bytes:
        """Return the content of a file, and remember it for has_changed()."""
        content = self._files[path] = read_file(path)
        if isinstance(content, str):
            raise ConfigError(f"cannot read {path}: {content}")
        return content

    def _warn_of_exposures(self, config: WebConfig) -> None:
        """Log each file that other users may change or should not read, once."""
        key = config.tls and config.tls.key
        with_key = self._path if isinstance(key, str) else key
        found = {
            (path, exposure(path, secret=path == with_key)) for path in self._files
        }
        for path, reason in found - self._exposures:
            if reason:
                log.warning(reason, extra={"file": path})
        self._exposures = frozenset(found)


def _check_protections(before: WebConfig, config: WebConfig) -> None:
    """Raise ConfigError if *config* protects less than *before*."""
    dropped = _protections(before) - _protections(config)
    if dropped:
        names = " and ".join(sorted(dropped))
        raise ConfigError(
            f"no longer has {names}: restart the exporter if this is intended"
        )


def _protections(config: WebConfig) -> frozenset[str]:
    """Return the keys in *config* that restrict access."""
    tls = config.tls
    values = {
        "tls_server_config": tls,
        "client_auth_type": tls and tls.client_auth == CLIENT_AUTH[-1],
        "basic_auth_users": config.users,
    }
    return frozenset(name for name, value in values.items() if value)


def _log_read(path: Path, config: WebConfig) -> None:
    settings = {
        "file": path,
        "tls": bool(config.tls),
        "client_auth_type": config.tls.client_auth if config.tls else "",
        "users": len(config.users),
    }
    log.info("web configuration read", extra=settings)
    if config.http2:
        log.info("http2 has no effect: this exporter serves HTTP/1.1 only")
