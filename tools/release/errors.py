"""The error of tools.release."""

from __future__ import annotations


class ReleaseError(Exception):
    """A release cannot be built; the message is one line with the reason."""
