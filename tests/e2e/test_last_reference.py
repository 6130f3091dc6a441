"""
A group whose last reference the exporter drops, while the group's release waits.

The kernel makes the fdinfo of a group with many marks for a tenth of a second, and
keeps the group alive meanwhile. If the owner ends then, the kernel releases the group
in the exporter's thread. The release waits for each permission event whose wait holds
a mark of the group: fsnotify_destroy_group() in fs/notify/group.c.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tools.harness.listeners import Listener, listening
from tools.harness.permission import listener as permission
from tools.harness.permission.opener import opening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, Exporter, serving


# More marks than the kernel describes in a tenth of a second.
MARKS = 60_000

LAST_SCAN = "fanotify_exporter_groups_last_scan_timestamp_seconds"

# A group with many inode marks, and a mark of the mount: the wait of an event on a file
# of the mount holds a mark of each kind, and not only those of the listener's group.
OWNER = """
group = init(UNLIMITED_MARKS)
for number in range({marks}):
    path = {folder!r} + "/" + str(number)
    os.close(os.open(path, os.O_CREAT))
    mark(group, ADD, OPEN, path)
mark(group, MOUNT, OPEN, {folder!r})
say(group)
"""

pytestmark = pytest.mark.whole_host


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "scratch", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def has_open(exporter: Exporter, path: str) -> bool:
    """Return whether the exporter has *path* open."""
    for link in Path(f"/proc/{exporter.pid}/fd").iterdir():
        with suppress(OSError):
            if str(link.readlink()) == path:
                return True
    return False


def releasing(exporter: Exporter) -> bool:
    """Return whether a thread of the exporter releases a group."""
    return any(
        path.read_text() == "fsnotify_destroy_group"
        for path in Path(f"/proc/{exporter.pid}/task").glob("*/wchan")
    )


def kill_while_read(exporter: Exporter, owner: Listener) -> bool:
    """
    Kill the owner while the exporter reads its group.

    Returns:
        Whether the exporter dropped the last reference, and not the owner.
    """
    path = f"/proc/{owner.pid}/fdinfo/{owner.said[0]}"
    deadline = time.monotonic() + 90
    while not has_open(exporter, path):
        assert time.monotonic() < deadline, "the exporter does not read the group"
    os.kill(owner.pid, signal.SIGKILL)
    return bool(poll(lambda: releasing(exporter), bool, seconds=3))


def test_release_in_the_exporter(tmp_path: Path) -> None:
    """Scrapes go on, the age of the scan shows the stuck thread, and a stop stops."""
    folder = tmp_path / "mount"
    code = OWNER.format(marks=MARKS, folder=str(folder))
    with (
        mounted(folder),
        serving(tmp_path / "log", LISTEN) as exporter,
        permission.listening(seconds=200) as listener,
        ExitStack() as stack,
    ):
        scratch = folder / "scratch"
        scratch.touch()
        listener.mark(scratch)
        for _ in range(5):
            owner = stack.enter_context(listening(code))
            stack.enter_context(opening(scratch, tasks=1)).await_waiting(1)
            # Tasks that wait for the listener go on when the listener ends.
            stack.callback(listener.process.kill)
            if kill_while_read(exporter, owner):
                break
        assert releasing(exporter)

        (before,) = exporter.samples(LAST_SCAN)
        for _ in range(20):
            for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
                assert 200 == exporter.get(path).status
        (after,) = exporter.samples(LAST_SCAN)
        assert before.value == after.value

        exporter.process.process.send_signal(signal.SIGTERM)
        assert poll(lambda: is_refused(exporter), bool)
        assert releasing(exporter)
        listener.process.kill()
        assert 0 == exporter.process.process.wait(30)


def is_refused(exporter: Exporter) -> bool:
    """Return whether nobody listens at the exporter's address."""
    try:
        exporter.get("/-/healthy")
    except OSError:
        return True
    return False
