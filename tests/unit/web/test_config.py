"""The web configuration file: settings, refusals, and agreement with promtool."""

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


# Keys that the promtool of Debian 12 does not know yet.
YOUNGER = "cert|key|client_ca|client_allowed_sans|rate_limit"

HASH = "EnDgHDRQVuNBFfhK64gQnuA881fduiu34QHLM2NkCZbj5zBb6NIUi"


def parse(text: str) -> WebConfig:
    return parse_web_config(text.encode(), Path("/etc/exporter"))


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str, web_examples: Path) -> None:
    """A good file is accepted."""
    AccessControl(web_examples / name).stop()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, web_examples: Path) -> None:
    """The error says where the file is wrong, why, and how to correct it."""
    with pytest.raises(ConfigError) as refused:
        AccessControl(web_examples / name)
    assert expected_error(web_examples / name) == str(refused.value)


@pytest.mark.parametrize("name", [*GOOD, *REFUSED])
def test_promtool(name: str, verdicts: dict[str, str]) -> None:
    """Promtool accepts good and stricter files, and refuses bad files."""
    verdict = verdicts[name]
    if re.search(rf"field ({YOUNGER}) not found in type", verdict):
        return
    assert (verdict == "SUCCESS") == (not name.endswith(".bad.yml"))


@pytest.fixture(scope="session")
def verdicts(web_examples: Path) -> dict[str, str]:
    """Give the result of promtool for each example."""
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
    verdicts = re.findall(
        r"^(\S+\.yml) (SUCCESS|FAILED.*(?:\n  .*)*)",
        checked.stdout + checked.stderr,
        re.MULTILINE,
    )
    return dict(verdicts)


def test_every_key() -> None:
    """Each key sets its field, and paths are relative to the folder of the file."""
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
    """A certificate and its key suffice: TLS 1.2 and 1.3, any client."""
    config = parse("tls_server_config: {cert_file: /c, key_file: sub/k}")
    assert WebConfig(tls=Tls(Path("/c"), Path("/etc/exporter/sub/k"))) == config
    assert config.tls
    assert (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3, "NoClientCert", None) == (
        config.tls.min_version,
        config.tls.max_version,
        config.tls.client_auth,
        config.tls.client_ca,
    )


def test_empty_file() -> None:
    """An empty file means the same as no file."""
    assert WebConfig() == parse("")


def test_names_are_as_typed() -> None:
    """YAML numbers and booleans are user names like any other text."""
    config = parse((SOURCE / "users.good.yml").read_text())
    assert ["alice", "1234", "yes", "\u00d8deg\u00e5rd"] == list(config.users)


@pytest.mark.parametrize(
    ("cost", "accepted"),
    [("03", False), ("04", True), ("31", True), ("32", False), ("99", False)],
)
def test_bcrypt_costs(cost: str, *, accepted: bool) -> None:
    """A hash with a cost that bcrypt refuses is refused when the file is read."""
    text = f"basic_auth_users: {{alice: $2b${cost}${HASH}}}"
    assert accepted == (refusal(text.encode()) == "")


@pytest.mark.parametrize(
    "text",
    [
        "rate_limit: {burst: 1}",
        "tls_server_config: {cipher_suites: [x]}",
        "tls_server_config: {prefer_server_cipher_suites: true}",
        "tls_server_config: {curve_preferences: [x]}",
        "tls_server_config: {client_allowed_sans: [x]}",
    ],
)
def test_unsupported_keys(text: str) -> None:
    """A key of exporter-toolkit without support here is refused, never ignored."""
    assert "is not supported by this exporter: remove it" in refusal(text.encode())


def test_secrets_are_not_shown() -> None:
    """The repr, for logs and tracebacks, has neither hashes nor keys."""
    tls = "tls_server_config: {cert: c, key: the inmost secret}"
    config = parse(f"{tls}\nbasic_auth_users: {{a: $2y$10${'h' * 53}}}")
    assert "inmost" not in repr(config)
    assert "hhh" not in repr(config)


def test_empty_header() -> None:
    """A header with an empty value is not set, as in exporter-toolkit."""
    headers = "{Content-Security-Policy: '', X-XSS-Protection: 1}"
    config = parse(f"http_server_config: {{headers: {headers}}}")
    assert {"X-XSS-Protection": "1"} == config.headers


def refusal(text: bytes) -> str:
    """Return the error for *text*, "" if it is accepted."""
    try:
        parse_web_config(text, Path())
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "text",
    [
        b"\x00",
        b'"\\UFFFFFFFF": x',
        b'basic_auth_users: {"\\ud800": x}',
        b'tls_server_config: {cert_file: "\\0", key_file: x}',
        b"*a",
        b"tls_server_config: !!python/name:os.system {}",
        b"? ? ? ?\n",
    ],
)
def test_absurd_files(text: bytes) -> None:
    """Text on which PyYAML fails has an error of one line, or no settings."""
    assert "\n" not in refusal(text)


def test_deeply_nested_file() -> None:
    """A file that exceeds Python's recursion limit is refused."""
    assert refusal(b"[" * 500).startswith("not valid YAML: ")


def test_damaged_file() -> None:
    """A good file with a changed byte is accepted, or refused with a reason."""
    original = (SOURCE / "everything.good.yml").read_bytes()
    refused = [refusal(text) for text in mutants(original, 5)]
    assert 20 < sum(map(bool, refused)) < len(refused)
