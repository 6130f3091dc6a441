"""
Certificates for tests, made by openssl(1) and, for the expired one, faketime(1).

ca.pem signed server.pem (localhost, 127.0.0.1), client.pem and late.pem, which has
expired. stranger.pem is self-signed. garbled.pem has no valid content. The key of
NAME.pem is NAME.key. encrypted.key is server.key with a passphrase, and other.key does
not belong to server.pem.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from ssl import SSLContext, create_default_context


LOCALHOST = "subjectAltName=DNS:localhost,IP:127.0.0.1"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_certificates(folder: Path) -> None:
    """Write all certificates and keys to *folder*."""
    # Python 3.13 and later refuse a CA without keyUsage.
    ca = (
        *("-addext", "basicConstraints=critical,CA:true"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    _openssl(folder, "req", "-x509", *NEW_KEY, *_named("ca"), *ca)
    _openssl(folder, "req", "-x509", *NEW_KEY, *_named("stranger"))
    make_signed(folder, "server", "-addext", LOCALHOST)
    make_signed(folder, "client")
    make_signed(folder, "late", at=("faketime", "2020-01-02 03:04:05"))
    shutil.copy(folder / "client.key", folder / "other.key")
    encrypt = ("-aes256", "-passout", "pass:secret", "-out", "encrypted.key")
    _openssl(folder, "pkey", "-in", "server.key", *encrypt)
    lines = (folder / "server.pem").read_text().splitlines()
    (folder / "garbled.pem").write_text("\n".join([lines[0], "x" * 64, lines[-1]]))


def make_signed(folder: Path, name: str, *options: str, at: Sequence[str] = ()) -> None:
    """
    Write NAME.pem, signed by ca.key and valid for two days, and NAME.key.

    The command *at* runs openssl at another time. OpenSSL 3.5 refuses negative days.
    """
    _openssl(folder, "req", "-new", *NEW_KEY, *_named(name, "csr"), *options)
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copyall")
    files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-days", "2")
    _openssl(folder, "x509", "-req", *files, *signing, at=at)


def trusting(folder: Path, certificate: str = "") -> SSLContext:
    """Return a client's context that trusts ca.pem, and may have a *certificate*."""
    context = create_default_context(cafile=folder / "ca.pem")
    if certificate:
        context.load_cert_chain(
            folder / f"{certificate}.pem", folder / f"{certificate}.key"
        )
    return context


def _named(name: str, suffix: str = "pem") -> tuple[str, ...]:
    files = ("-keyout", f"{name}.key", "-out", f"{name}.{suffix}")
    return ("-subj", f"/CN={name}", *files)


def _openssl(folder: Path, *arguments: str, at: Sequence[str] = ()) -> None:
    command = (*at, "openssl", *arguments)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
