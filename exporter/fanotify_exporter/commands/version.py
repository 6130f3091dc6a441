"""The text of --version, in the form of Prometheus' own exporters."""

from __future__ import annotations

import os
import platform
import re
from argparse import Action
from typing import NoReturn

from fanotify_exporter import __version__
from fanotify_exporter.collectors.revision import read_revision
from fanotify_exporter.loader.sources import find_bcc_version_file


# Go's names of machines, which Prometheus' exporters print.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class VersionAction(Action):
    """The action of --version: print the text and exit."""

    def __call__(self, *_: object) -> NoReturn:
        """Print the text, and exit with status 0."""
        print(version_text())
        raise SystemExit(0)


def version_text() -> str:
    """Return the versions of the exporter and its parts, as prometheus/common does."""
    machine = os.uname().machine
    facts = {
        "python version:": platform.python_version(),
        "bcc version:": find_bcc_version(),
        "platform:": f"linux/{_ARCHITECTURES.get(machine, machine)}",
    }
    first = f"fanotify_exporter, version {__version__} (revision: {read_revision()})"
    return "\n".join([first, *(f"  {key:<17} {fact}" for key, fact in facts.items())])


def find_bcc_version() -> str:
    """Return the version of bcc without importing it, which would take 90 MB."""
    path = find_bcc_version_file()
    found = path and re.search(r'__version__ = ["\'](.+)["\']', path.read_text())
    return found[1] if found else "not installed"
