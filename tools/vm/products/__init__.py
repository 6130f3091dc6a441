"""Tests with real permission listeners, in QEMU guests."""
