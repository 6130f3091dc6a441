"""
The web configuration file: YAML in, settings out.

The format is exporter-toolkit's (docs/web-configuration.md there and here), less what
is in UNSUPPORTED. Scalars count as typed: a user may be called 1234, or yes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import TLSVersion
from typing import TypeVar

import yaml

from fanotify_exporter.errors import ConfigError


T = TypeVar("T")

CLIENT_AUTH = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
"""Not RequestClientCert and RequireAnyClientCert, which verify no certificate."""

VERSIONS = {"TLS12": TLSVersion.TLSv1_2, "TLS13": TLSVersion.TLSv1_3}
"""Older ones are not to be had from OpenSSL at its default security level."""

HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""Those that may be set, and to what; () is anything."""

SWITCH = {"true": True, "yes": True, "on": True} | dict.fromkeys(
    ("false", "no", "off"), False
)

UNSUPPORTED = (
    "rate_limit",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "client_allowed_sans",
)

BCRYPT = r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}"
TOP = "the file"
USERS = "basic_auth_users"
PEMS = ("cert", "key", "client_ca")
TLS_KEYS = (
    *(key for name in PEMS for key in (f"{name}_file", name)),
    "client_auth_type",
    "min_version",
    "max_version",
)
NULL = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Tls:
    """
    How to serve TLS.

    Attributes:
        cert, key, client_ca: PEM, or the file that has it.
        client_auth: one of CLIENT_AUTH.
    """

    cert: Path | str
    key: Path | str = field(repr=False)
    client_ca: Path | str | None = None
    client_auth: str = CLIENT_AUTH[0]
    min_version: TLSVersion = TLSVersion.TLSv1_2
    max_version: TLSVersion = TLSVersion.TLSv1_3


@dataclass(frozen=True, slots=True)
class WebConfig:
    """
    What the file says.

    Attributes:
        tls: None for plain HTTP.
        headers: of every answer.
        users: bcrypt hash by name; none at all lets in everyone.
        http2: what it wants of HTTP/2, which there is not; None if it says nothing.
    """

    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    http2: bool | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A value in the file, the keys that lead to it, and the line that says it."""

    node: yaml.Node
    path: str
    line: int

    def error(self, why: str) -> ConfigError:
        """Return an error that says where."""
        return ConfigError(f"line {self.line}: {self.path} {why}")

    def is_null(self) -> bool:
        """Return whether there is nothing."""
        node = self.node
        return (
            isinstance(node, yaml.ScalarNode)
            and node.style is None
            and node.value in NULL
        )

    def text(self) -> str:
        """Return a scalar as it was typed, "" for null."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error("is a list or a mapping: say one value")
        if re.search("[\0\ud800-\udfff]", self.node.value):
            raise self.error("has a character that is none: leave it out")
        return "" if self.is_null() else str(self.node.value)

    def one_of(self, words: Collection[str]) -> str:
        """Return the text, which must be one of *words*."""
        text = self.text()
        if text not in words:
            raise self.error(f"is {text!r}: say one of {', '.join(words)}")
        return text

    def entries(self, known: Collection[str] = ()) -> dict[str, Entry]:
        """Return a mapping by key, {} for null; without *known* any key will do."""
        if self.is_null():
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("is not a mapping: say key: value")
        found: dict[str, Entry] = {}
        for key, value in self.node.value:
            line = key.start_mark.line + 1
            name = Entry(key, f"a key in {self.path}", line).text()
            path = f"{self.path}.{name}".removeprefix(f"{TOP}.")
            entry = Entry(value, path, line)
            if name in UNSUPPORTED:
                raise entry.error("is not supported by this exporter: leave it out")
            if known and name not in known:
                raise entry.error(f"is unknown here: say one of {', '.join(known)}")
            if name in found:
                raise entry.error("is there twice: leave one out")
            found[name] = entry
        return found


def parse_web_config(text: bytes, folder: Path) -> WebConfig:
    """
    Return what *text* says; relative paths in it are relative to *folder*.

    Raises:
        ConfigError: where it is wrong, why, and what to say instead.
    """
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"line {line}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ConfigError(f"it is not YAML: {' '.join(str(error).split())}") from None
    if node is None:
        return WebConfig()
    return _parse(Entry(node, TOP, node.start_mark.line + 1), folder)


def _parse(top: Entry, folder: Path) -> WebConfig:
    sections = top.entries(("tls_server_config", "http_server_config", USERS))
    tls = sections.get("tls_server_config")
    users = sections.get(USERS)
    http = sections.get("http_server_config")
    of_http = http.entries(("http2", "headers")) if http else {}
    headers = of_http.get("headers")
    return WebConfig(
        tls=_parse_tls(tls, folder) if tls else None,
        headers=_parse_headers(headers) if headers else {},
        users=_parse_users(users) if users else {},
        http2=_choice(of_http, "http2", SWITCH, None),
    )


def _parse_tls(section: Entry, folder: Path) -> Tls | None:
    entries = section.entries(TLS_KEYS)
    if not entries:
        return None
    cert, key, client_ca = (_pem(entries, name, folder) for name in PEMS)
    if cert is None or key is None:
        raise section.error("lacks a certificate or its key: say cert_file, key_file")
    auth = entries.get("client_auth_type")
    tls = Tls(
        cert,
        key,
        client_ca,
        auth.one_of(CLIENT_AUTH) if auth else CLIENT_AUTH[0],
        _choice(entries, "min_version", VERSIONS, TLSVersion.TLSv1_2),
        _choice(entries, "max_version", VERSIONS, TLSVersion.TLSv1_3),
    )
    if tls.min_version > tls.max_version:
        raise entries["min_version"].error("is above max_version: leave one out")
    if (client_ca is None) != (tls.client_auth == CLIENT_AUTH[0]):
        raise section.error(
            f"has client_auth_type {tls.client_auth} and "
            f"{'no ' * (client_ca is None)}client CA: say both, or neither"
        )
    return tls


def _pem(entries: Mapping[str, Entry], name: str, folder: Path) -> Path | str | None:
    """Return the PEM that is called *name*, or its file; None for neither."""
    file = entries.get(f"{name}_file")
    path = file.text() if file else ""
    text = entries[name].text() if name in entries else ""
    if file and path and text:
        raise file.error(f"and {name} are two of one: leave one out")
    return folder / path if path else text or None


def _choice(
    entries: Mapping[str, Entry], key: str, table: Mapping[str, T], default: T
) -> T:
    return table[entries[key].one_of(table)] if key in entries else default


def _parse_headers(section: Entry) -> dict[str, str]:
    """Return values by header; one that is empty stays unset."""
    headers = {}
    for name, entry in section.entries(tuple(HEADERS)).items():
        allowed = HEADERS[name]
        value = entry.one_of(allowed) if allowed else entry.text()
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise entry.error("is not one line of ASCII: HTTP takes nothing else")
        headers[name] = value
    return {name: value for name, value in headers.items() if value}


def _parse_users(section: Entry) -> dict[str, str]:
    users = {}
    for name, entry in section.entries().items():
        if not re.fullmatch(BCRYPT, entry.text()):
            raise entry.error("is not a bcrypt hash: make one with htpasswd -nBC 10 ''")
        if ":" in name or not name.isprintable():
            raise entry.error("is no name that a client can send: choose another")
        users[name] = entry.text()
    return users
