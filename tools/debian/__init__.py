"""Chroots of other Debian releases."""
