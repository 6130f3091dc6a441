"""Values of a YAML file with their lines, for errors that name the place."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import yaml

from fanotify_exporter.errors import ConfigError


# Path of the document's root in errors.
ROOT = "the file"

# YAML 1.1 null, when not quoted.
NULL = ("", "~", "null", "Null", "NULL")

# Keys of exporter-toolkit's format that this exporter does not support.
UNSUPPORTED = (
    "rate_limit",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "client_allowed_sans",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A value in a YAML file.

    Attributes:
        path: the keys that lead to the value, joined by dots.
        line: number of the line with the value's key.
    """

    node: yaml.Node
    path: str
    line: int

    def error(self, reason: str) -> ConfigError:
        """Return an error that names the line and the path of the value."""
        return ConfigError(f"line {self.line}: {self.path} {reason}")

    def is_null(self) -> bool:
        """Return whether the value is null."""
        node = self.node
        return (
            isinstance(node, yaml.ScalarNode)
            and node.style is None
            and node.value in NULL
        )

    def text(self) -> str:
        """Return a scalar as text, exactly as in the file, and "" for null."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error("is a list or a mapping: use a single value")
        if re.search("[\0\ud800-\udfff]", self.node.value):
            raise self.error("contains a NUL or a surrogate character: remove it")
        return "" if self.is_null() else str(self.node.value)

    def one_of(self, words: Collection[str]) -> str:
        """Return the text, which must be one of *words*."""
        text = self.text()
        if text not in words:
            raise self.error(f"is {text!r}: use one of {', '.join(words)}")
        return text

    def entries(self, known: Collection[str] = ()) -> dict[str, Entry]:
        """
        Return the values of a mapping by key, {} for null.

        Args:
            known: the valid keys; every key is valid if empty.
        """
        if self.is_null():
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("is not a mapping: write key: value")
        found: dict[str, Entry] = {}
        for key, value in self.node.value:
            line = key.start_mark.line + 1
            name = Entry(key, f"a key in {self.path}", line).text()
            path = f"{self.path}.{name}".removeprefix(f"{ROOT}.")
            entry = Entry(value, path, line)
            if name in UNSUPPORTED:
                raise entry.error("is not supported by this exporter: remove it")
            if known and name not in known:
                raise entry.error(f"is unknown: use one of {', '.join(known)}")
            if name in found:
                raise entry.error("is set twice: remove one")
            found[name] = entry
        return found
