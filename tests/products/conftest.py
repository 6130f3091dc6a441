"""The root file system of the products. The tests run in guests only."""

from __future__ import annotations

import pytest

from tools.harness.products import chroot


@pytest.fixture(scope="session", autouse=True)
def _products() -> None:
    """Prepare the products, or skip the tests outside of a guest."""
    if not chroot.ROOT.is_mount():
        pytest.skip("not in a guest of make test-products")
    chroot.prepare()
