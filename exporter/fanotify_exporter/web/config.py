"""
Parse the web configuration file.

The format is exporter-toolkit's (docs/web-configuration.md, there and here) without
the keys in yaml_entry.UNSUPPORTED. Scalars are read as text, so a user may be called
1234 or yes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import TLSVersion
from typing import TypeVar

import yaml

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.yaml_entry import ROOT, Entry


T = TypeVar("T")

# Values of client_auth_type. exporter-toolkit's RequestClientCert and
# RequireAnyClientCert are missing, because they verify no certificate.
CLIENT_AUTH = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")

# Values of min_version and max_version. OpenSSL refuses older versions at its default
# security level.
TLS_VERSIONS = {"TLS12": TLSVersion.TLSv1_2, "TLS13": TLSVersion.TLSv1_3}

# The headers that may be set, and their valid values; an empty tuple allows any value.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}

# YAML 1.1 booleans in lower case.
BOOLEANS = {"true": True, "yes": True, "on": True} | dict.fromkeys(
    ("false", "no", "off"), False
)

# A bcrypt hash with a cost that bcrypt accepts, 4 to 31.
BCRYPT = r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}"

USERS = "basic_auth_users"
PEM_NAMES = ("cert", "key", "client_ca")
TLS_KEYS = (
    *(key for name in PEM_NAMES for key in (f"{name}_file", name)),
    "client_auth_type",
    "min_version",
    "max_version",
)


@dataclass(frozen=True, slots=True)
class Tls:
    """
    The section tls_server_config.

    Attributes:
        cert, key, client_ca: PEM, or the path of a PEM file.
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
    The content of the file.

    Attributes:
        tls: None for plain HTTP.
        headers: headers of every response.
        users: bcrypt hash by name; empty if no password is needed.
        http2: whether the file enables HTTP/2, which this exporter does not serve.
    """

    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    http2: bool = False


def parse_web_config(text: bytes, folder: Path) -> WebConfig:
    """
    Return the settings in *text*; relative paths are relative to *folder*.

    Raises:
        ConfigError: where the file is wrong, why, and how to correct it.
    """
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"line {line}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}") from None
    if node is None:
        return WebConfig()
    return _parse(Entry(node, ROOT, node.start_mark.line + 1), folder)


def _parse(root: Entry, folder: Path) -> WebConfig:
    sections = root.entries(("tls_server_config", "http_server_config", USERS))
    tls = sections.get("tls_server_config")
    users = sections.get(USERS)
    http = sections.get("http_server_config")
    http_entries = http.entries(("http2", "headers")) if http else {}
    headers = http_entries.get("headers")
    return WebConfig(
        tls=_parse_tls(tls, folder) if tls else None,
        headers=_parse_headers(headers) if headers else {},
        users=_parse_users(users) if users else {},
        http2=_choice(http_entries, "http2", BOOLEANS, default=False),
    )


def _parse_tls(section: Entry, folder: Path) -> Tls | None:
    entries = section.entries(TLS_KEYS)
    if not entries:
        return None
    cert, key, client_ca = (_pem(entries, name, folder) for name in PEM_NAMES)
    if cert is None or key is None:
        raise section.error("has no certificate or no key: set cert_file and key_file")
    auth = entries.get("client_auth_type")
    tls = Tls(
        cert,
        key,
        client_ca,
        auth.one_of(CLIENT_AUTH) if auth else CLIENT_AUTH[0],
        _choice(entries, "min_version", TLS_VERSIONS, TLSVersion.TLSv1_2),
        _choice(entries, "max_version", TLS_VERSIONS, TLSVersion.TLSv1_3),
    )
    if tls.min_version > tls.max_version:
        raise entries["min_version"].error("is above max_version: remove one")
    verifies = tls.client_auth != CLIENT_AUTH[0]
    if verifies and client_ca is None:
        raise section.error(
            f"has client_auth_type {tls.client_auth} but no client CA: "
            "set client_ca_file"
        )
    if client_ca and not verifies:
        raise section.error(
            f"has a client CA, which client_auth_type {tls.client_auth} does not use: "
            "remove the CA or change client_auth_type"
        )
    return tls


def _pem(entries: Mapping[str, Entry], name: str, folder: Path) -> Path | str | None:
    """Return the PEM *name* or the path of its file, None if neither is set."""
    file = entries.get(f"{name}_file")
    path = file.text() if file else ""
    text = entries[name].text() if name in entries else ""
    if file and path and text:
        raise file.error(f"and {name} are both set: remove one")
    return folder / path if path else text or None


def _choice(
    entries: Mapping[str, Entry], key: str, table: Mapping[str, T], default: T
) -> T:
    return table[entries[key].one_of(table)] if key in entries else default


def _parse_headers(section: Entry) -> dict[str, str]:
    """Return the values by header; an empty value leaves the header unset."""
    headers = {}
    for name, entry in section.entries(tuple(HEADERS)).items():
        allowed = HEADERS[name]
        value = entry.one_of(allowed) if allowed else entry.text()
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise entry.error("is not one line of ASCII, as HTTP requires: change it")
        headers[name] = value
    return {name: value for name, value in headers.items() if value}


def _parse_users(section: Entry) -> dict[str, str]:
    users = {}
    for name, entry in section.entries().items():
        if not re.fullmatch(BCRYPT, entry.text()):
            raise entry.error("is not a bcrypt hash: make one with htpasswd -nBC 10 ''")
        if ":" in name or not name.isprintable():
            raise entry.error("is not a user name that clients can send: change it")
        users[name] = entry.text()
    return users
