"""The web configuration file: each example as its name says, promtool of one mind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from ssl import TLSVersion

import pytest

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.access import AccessControl
from fanotify_exporter.web.config import Tls, WebConfig, parse_web_config
from tools.harness.web_clients import mutants
from tools.harness.web_examples import GOOD, REFUSED, SOURCE, expected_error


YOUNGER = "cert|key|client_ca|client_allowed_sans|rate_limit"
"""Keys that the promtool of Debian 12 does not know yet."""


def parse(text: str) -> WebConfig:
    return parse_web_config(text.encode(), Path("/etc/exporter"))


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str, web_examples: Path) -> None:
    """It is accepted."""
    AccessControl(web_examples / name).stop()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, web_examples: Path) -> None:
    """It is refused, and the error says where, why and what to do."""
    with pytest.raises(ConfigError) as refused:
        AccessControl(web_examples / name)
    assert expected_error(web_examples / name) == str(refused.value)


@pytest.mark.parametrize("name", [*GOOD, *REFUSED])
def test_promtool(name: str, verdicts: dict[str, str]) -> None:
    """Promtool accepts what is good, refuses what is bad, and is less strict."""
    said = verdicts[name]
    if re.search(rf"field ({YOUNGER}) not found in type", said):
        return
    assert (said == "SUCCESS") == (not name.endswith(".bad.yml"))


@pytest.fixture(scope="session")
def verdicts(web_examples: Path) -> dict[str, str]:
    """Give what promtool says of each example."""
    if not shutil.which("promtool") and os.environ.get("CI") != "true":
        pytest.skip("promtool is not installed")
    names = [*GOOD, *REFUSED]
    checked = subprocess.run(
        ["promtool", "check", "web-config", *names],
        cwd=web_examples,
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.findall(
        r"^(\S+\.yml) (SUCCESS|FAILED.*(?:\n  .*)*)",
        checked.stdout + checked.stderr,
        re.MULTILINE,
    )
    return dict(said)


def test_every_key() -> None:
    """What is said is what is meant, and a relative path is relative to the file."""
    config = parse((SOURCE / "everything.good.yml").read_text())
    (alice,) = config.users.items()
    assert (
        Tls(
            cert=Path("/etc/exporter/server.pem"),
            key=Path("/etc/exporter/server.key"),
            client_ca=Path("/etc/exporter/ca.pem"),
            client_auth="RequireAndVerifyClientCert",
            min_version=TLSVersion.TLSv1_2,
            max_version=TLSVersion.TLSv1_3,
        )
        == config.tls
    )
    assert ("alice", 60) == (alice[0], len(alice[1]))
    assert {"X-Frame-Options": "sameorigin"} == config.headers
    assert config.http2 is False


def test_defaults() -> None:
    """A certificate and its key are enough: TLS 1.2 and 1.3, for every client."""
    config = parse("tls_server_config: {cert_file: /c, key_file: sub/k}")
    assert WebConfig(tls=Tls(Path("/c"), Path("/etc/exporter/sub/k"))) == config
    assert config.tls
    assert (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3, "NoClientCert", None) == (
        config.tls.min_version,
        config.tls.max_version,
        config.tls.client_auth,
        config.tls.client_ca,
    )


def test_nothing_is_everything_open() -> None:
    """An empty file says the same as no file."""
    assert WebConfig() == parse("")


def test_names_are_as_typed() -> None:
    """YAML's numbers and truth values are names of users like any other."""
    config = parse((SOURCE / "users.good.yml").read_text())
    assert ["alice", "1234", "yes", "\u00d8deg\u00e5rd"] == list(config.users)


def test_secrets_are_not_shown() -> None:
    """Neither a hash nor a key is in what a log or a traceback would print."""
    tls = "tls_server_config: {cert: c, key: the inmost secret}"
    config = parse(f"{tls}\nbasic_auth_users: {{a: $2y$10${'h' * 53}}}")
    assert "inmost" not in repr(config)
    assert "hhh" not in repr(config)


def test_an_empty_header_is_left_out() -> None:
    """As in exporter-toolkit's documentation: unset if blank."""
    headers = "{Content-Security-Policy: '', X-XSS-Protection: 1}"
    config = parse(f"http_server_config: {{headers: {headers}}}")
    assert {"X-XSS-Protection": "1"} == config.headers


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00",
        b"\x00",
        b"[" * 100_000,
        b'"\\UFFFFFFFF": x',
        b'basic_auth_users: {"\\ud800": x}',
        b'tls_server_config: {cert_file: "\\0", key_file: x}',
        b"&a [*a]",
        b"*a",
        b"!!python/object/apply:os.system [id]",
        b"tls_server_config: !!python/name:os.system {}",
        b"%YAML 9.9\n---\n",
        b"? ? ? ?\n",
        b"a: !<tag:yaml.org,2002:binary> =",
    ],
)
def test_absurd_files(text: bytes) -> None:
    """What no one would write is refused in one line, or is nothing at all."""
    assert "\n" not in refusal(text)


def refusal(text: bytes) -> str:
    """Return why *text* is refused, "" if it is not."""
    try:
        parse_web_config(text, Path())
    except ConfigError as error:
        return str(error)
    return ""


def test_every_byte(fuzz: int) -> None:
    """However a good file is garbled, it is taken or refused with a reason."""
    originals = [(SOURCE / name).read_bytes() for name in GOOD]
    refused = [
        refusal(text)
        for seed, original in enumerate(originals)
        for text in mutants(original, fuzz // len(originals), seed)
    ]
    assert 100 < sum(map(bool, refused)) < len(refused)
