"""The group that the first pass of the iterator finds."""

from __future__ import annotations

import os

import pytest

from fanotify_exporter.loader.iterator import make_fanotify_group
from fanotify_exporter.system.machine import kernel_version


@pytest.mark.skipif(kernel_version() < (5, 13), reason="groups take CAP_SYS_ADMIN")
def test_group_without_privileges() -> None:
    """The loader makes the group without CAP_SYS_ADMIN, as in the systemd unit."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            os.close(make_fanotify_group())
            status = 0
        finally:
            os._exit(status)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
