"""The licences of the parts of an installation, from the metadata of each part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import metadata, requires
from pathlib import Path

from packaging.requirements import Requirement

from tools import CHECKOUT


PROJECT = "fanotify-exporter"
BCC = "python3-bpfcc"
DEBIAN_COPYRIGHT = Path("/usr/share/doc") / BCC / "copyright"


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield each part, its licence, and the source of the licence, as Markdown."""
    yield f"{PROJECT}, all but `bpf/`", "Apache-2.0", "[LICENSE](../LICENSE)"
    source = (CHECKOUT / "bpf/calls/count.bpf.c").read_text()
    yield f"{PROJECT}, `bpf/`", in_source(source), "[bpf/LICENSE](../bpf/LICENSE)"
    for name in sorted(dependencies(PROJECT)):
        yield name, declared(name), "metadata of the package on PyPI"
    copyright_file = DEBIAN_COPYRIGHT.read_text()
    yield f"bcc (`{BCC}`)", of_all_files(copyright_file), f"`{DEBIAN_COPYRIGHT}`"


def dependencies(name: str) -> set[str]:
    """Return the packages that pip installs with *name*, without extras."""
    needed: set[str] = set()
    for requirement in map(Requirement, requires(name) or ()):
        if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
            needed |= {requirement.name} | dependencies(requirement.name)
    return needed


def declared(name: str) -> str:
    """Return the licence in the metadata of an installed package, new field or old."""
    fields = metadata(name).json
    return str(fields.get("license_expression") or fields["license"])


def in_source(text: str) -> str:
    """Return the SPDX expression in the licence line of *text*."""
    found = re.search(r"SPDX-License-Identifier: (\S+)", text)
    assert found
    return found[1]


def of_all_files(copyright_file: str) -> str:
    """Return the licence of ``Files: *`` in Debian's machine-readable format."""
    found = re.search(
        r"^Files: \*\n(?:.+\n)*?License: (.+)$", copyright_file, re.MULTILINE
    )
    assert found
    return found[1]
