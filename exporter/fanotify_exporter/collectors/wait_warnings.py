"""
Log tasks that wait for permission listeners for long.

The metrics and the landing page say the same. While such a wait goes on, a reader of
the log may be able to open neither.
"""

from __future__ import annotations

import logging
from typing import Final

from fanotify_exporter.fsnotify.waiting_tasks import WaitingTasks, waiting_tasks
from fanotify_exporter.fsnotify.waits import Waiter, WaitScan


log = logging.getLogger(__name__)

# Waits that are logged are at least as old, in seconds.
LONG_SECONDS: Final = 10.0

# Seconds between two warnings.
INTERVAL_SECONDS: Final = 60.0

# Listeners and tasks in one warning.
MAX_LISTENERS: Final = 3
MAX_TASKS: Final = 10

# Characters of a name in one warning. A comm of 15 bytes has at most 60.
MAX_NAME: Final = 60


class WaitWarnings:
    """
    The warnings about long waits: one a minute while they last, and one line after.

    Use from one thread at a time.
    """

    def __init__(self) -> None:
        """Start with no warning given."""
        self._warned = float("-inf")
        # The longest age seen since the first warning, None before.
        self._longest: float | None = None

    def observe(self, scan: WaitScan) -> None:
        """Look at a pass over the waiting tasks, and log what is due."""
        begun = scan.scanned - LONG_SECONDS
        waits = [each for each in waiting_tasks(scan) if each.oldest_since <= begun]
        if not waits:
            self._end()
            return
        oldest = scan.scanned - waits[0].oldest_since
        if scan.scanned - self._warned >= INTERVAL_SECONDS:
            self._warned = scan.scanned
            self._longest = max(self._longest or 0.0, oldest)
            tasks = [each for each in scan.waiters if each.since <= begun]
            _warn(scan, waits, tasks[:MAX_TASKS])
        elif self._longest is not None:
            self._longest = max(self._longest, oldest)

    def _end(self) -> None:
        """Log that the waits ended if a warning told of them."""
        if self._longest is not None:
            log.info(
                "no task waits for a permission listener for long any more",
                extra={"longest_seconds": round(self._longest)},
            )
            self._longest = None


def _warn(scan: WaitScan, waits: list[WaitingTasks], tasks: list[Waiter]) -> None:
    now = scan.scanned
    runbook = f"FanotifyPermission{'Deadlock' if scan.deadlocked else 'Stall'}"
    extra: dict[str, object] = {
        "listeners": ", ".join(_listener(now, each) for each in waits[:MAX_LISTENERS]),
        "waiting": sum(each.waiting for each in waits),
        "oldest_seconds": round(now - waits[0].oldest_since),
        "oldest_tasks": ", ".join(
            f"{_process(each.comm, each.pid, each.tid)} "
            + _age(now, each.since, is_least=each.is_since_seen)
            for each in tasks
        ),
        "runbook": runbook,
    }
    if len(waits) > MAX_LISTENERS:
        extra["more_listeners"] = len(waits) - MAX_LISTENERS
    if scan.deadlocked:
        extra["deadlocked_listeners"] = len(scan.deadlocked)
    log.warning(
        "tasks wait for a permission listener that does not answer", extra=extra
    )


def _listener(now: float, waits: WaitingTasks) -> str:
    listener = waits.listener
    name = _process(listener.comm, listener.pid, listener.pid)
    age = _age(now, waits.oldest_since, is_least=waits.is_since_seen)
    count = f"{waits.waiting}{'+' if waits.is_cut else ''}"
    words = (name, listener.group_class, f"tasks={count}", f"oldest={age}")
    return " ".join(filter(None, words))


def _process(comm: str, pid: int, tid: int) -> str:
    if not pid:
        return _name(comm) or "unknown"
    return f"{_name(comm) or 'unknown'}[{pid if tid == pid else f'{pid}/{tid}'}]"


def _name(comm: str) -> str:
    r"""
    Return the printable name *comm* without the characters that separate entries.

    The escapes are those of printable_text(), so different names stay different.

    >>> _name("a], b")
    'a\\x5d\\x2c b'
    """
    escaped = "".join(f"\\x{ord(c):02x}" if c in ",[]" else c for c in comm)
    return escaped[:MAX_NAME]


def _age(now: float, since: float, *, is_least: bool) -> str:
    return f"{'>=' if is_least else ''}{round(now - since)}s"
