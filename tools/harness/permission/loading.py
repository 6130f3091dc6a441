"""Load the permission programs for a test, or skip the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS
from fanotify_exporter.loader.run import load_permission
from tools.harness.kernel_calls import LOAD_SECONDS, REFUSED, exercised


# By hook: the first method that attached. The loader would never use a later method
# of the same hook.
attaching: dict[str, str] = {}


@contextmanager
def attached(method: str, *, container: bool = False) -> Iterator[LoadedPermission]:
    """Load by *method*, or skip with the kernel's reason; detach at the end."""
    hook = next(each.hook for each in PERMISSION_METHODS if each.name == method)
    better = attaching.get(hook, method)
    if better != method:
        pytest.skip(f"{method} is for kernels that refuse {better}, which works here")
    try:
        loaded = load_permission(method, container=container, timeout=LOAD_SECONDS)
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    attaching[hook] = method
    exercised[f"permission by {method}"] += 1
    yield loaded
    for fd in loaded.fds.values():
        os.close(fd)
