"""Prometheus exporter that counts every fanotify_mark(2) call in the kernel."""

from __future__ import annotations


__version__ = "0.1.0"
