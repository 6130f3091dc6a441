"""What keeps a release from being built."""

from __future__ import annotations


class ReleaseError(Exception):
    """What is wrong and what to do, in one line."""
