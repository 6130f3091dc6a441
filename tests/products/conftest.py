"""The products' root file system and our programs. The tests run in guests only."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fanotify_exporter.bpf.permission_maps import PermissionMaps
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS
from tools.harness.kernel_calls import LOAD_SECONDS, REFUSED
from tools.harness.products import chroot
from tools.harness.products.counted import Counted


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "method" in metafunc.fixturenames:
        methods = [method.name for method in PERMISSION_METHODS]
        metafunc.parametrize("method", methods, scope="session")


@pytest.fixture(scope="session", autouse=True)
def _products() -> None:
    """Prepare the products, or skip the tests outside of a guest."""
    if not chroot.ROOT.is_mount():
        pytest.skip("not in a guest of make test-products")
    chroot.prepare()


@pytest.fixture(scope="session")
def maps(_products: None, method: str) -> Iterator[PermissionMaps]:
    """Load the programs of *method*, or skip with the kernel's reason."""
    try:
        loaded = run.load_permission(method, timeout=LOAD_SECONDS)
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    yield PermissionMaps(loaded)
    for fd in loaded.fds.values():
        os.close(fd)


@pytest.fixture
def counted(maps: PermissionMaps) -> Counted:
    """Count from now on."""
    return Counted(maps)
