"""Fixtures of the tests of single calls: programs that send a record of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.harness.traced_calls import Traced, tracing


@pytest.fixture(scope="session")
def shared_tracing(method: str) -> Iterator[Traced]:
    """Load programs for all tests that need no filter of their own, to save time."""
    with tracing(method) as traced:
        yield traced


@pytest.fixture
def traced(shared_tracing: Traced) -> Traced:
    """Forget the calls before a test."""
    shared_tracing.calls()
    shared_tracing.forget_losses()
    return shared_tracing
