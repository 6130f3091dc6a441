"""
Fixtures of the tests of permission waits: loaded programs, a listener, and a pass.

Each permission method is tested; a refused method is skipped with the kernel's reason.
Every listener marks a scratch file or a scratch mount only, and has a watchdog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanotify_exporter.bpf.loaded import LoadedPermission
from tools.harness.permission.counted import Counted
from tools.harness.permission.listener import Listener, listening
from tools.harness.permission.loading import attached
from tools.harness.permission.programs import WATCHDOG_SECONDS
from tools.harness.permission.scans import Scan, make_scan


@pytest.fixture(scope="session")
def programs(permission_method: str) -> Iterator[LoadedPermission]:
    """Load the programs once for all tests of a method."""
    with attached(permission_method) as loaded:
        yield loaded


@pytest.fixture
def counted(programs: LoadedPermission) -> Counted:
    """Count waits and answers from now on."""
    return Counted(programs)


@pytest.fixture(scope="session")
def scan(programs: LoadedPermission) -> Scan:
    """Return a pass of the iterator."""
    return make_scan(programs)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.write_bytes(b"scratch")
    return path


@pytest.fixture
def soak_seconds(request: pytest.FixtureRequest) -> int:
    """Return the time of a test marked soak, 0 for its short time."""
    return int(request.config.getoption("--soak-seconds"))


@pytest.fixture
def watchdog(soak_seconds: int) -> int:
    """Return the seconds after which listeners and openers of a test end."""
    return WATCHDOG_SECONDS + soak_seconds


@pytest.fixture
def see_listeners(counted: Counted) -> Callable[[], object]:
    """
    Return a function that makes the programs know each listener.

    Without an iterator the programs know a listener after its first answer.
    """
    if counted.loaded.iterator_reason:
        return lambda: None
    return make_scan(counted.loaded)


@pytest.fixture
def listener(
    see_listeners: Callable[[], object], scratch: Path, watchdog: int
) -> Iterator[Listener]:
    """Run a listener of class content that has marked the scratch file."""
    with listening(seconds=watchdog) as listener:
        listener.mark(scratch)
        see_listeners()
        yield listener


@pytest.fixture
def pre_content(
    see_listeners: Callable[[], object], scratch: Path
) -> Iterator[Listener]:
    """Run a listener of class pre_content that has marked the scratch file."""
    with listening("pre_content") as listener:
        listener.mark(scratch)
        see_listeners()
        yield listener


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other"
    path.write_bytes(b"other")
    return path


@pytest.fixture
def peer(listener: Listener, other: Path, watchdog: int) -> Iterator[Listener]:
    """Run a second listener, which has marked another scratch file."""
    del listener
    with listening(seconds=watchdog) as peer:
        peer.mark(other)
        yield peer
