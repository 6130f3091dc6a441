"""The tasks that wait for permission listeners, as the landing page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fanotify_exporter.landing.formatting import format_count, format_duration


# Shorter waits are ordinary while a listener works: the page has one line about them.
MIN_SHOWN_SECONDS = 1.0

# A pass over the waiting tasks takes place every second. The page says how old the
# figures are once passes take longer than that.
STALE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Age:
    """
    How long a task has waited.

    Attributes:
        is_least: True if the begin was not seen, so that the wait may be longer.
    """

    seconds: float
    is_least: bool = False

    def __str__(self) -> str:
        """Return the age in words."""
        if self.seconds < 1 and not self.is_least:
            return "under 1 second"
        return f"{'at least ' if self.is_least else ''}{format_duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class ListenerRow:
    """
    A listener that tasks wait for.

    Attributes:
        comm: printable name of the listener; "" if unknown.
        pid: process id of the listener; 0 if unknown.
        group_class: "content" or "pre_content"; "" if unknown.
        waiting: number of tasks that wait.
        is_cut: True if more than *waiting* tasks wait.
        oldest: age of the oldest wait.
    """

    comm: str
    pid: int
    group_class: str
    waiting: int
    is_cut: bool
    oldest: Age

    @property
    def count(self) -> str:
        """Return the number of waiting tasks as text."""
        return f"{'over ' if self.is_cut else ''}{format_count(self.waiting)}"


@dataclass(frozen=True, slots=True)
class WaitRow:
    """
    A task that waits.

    Attributes:
        comm: printable name of the thread.
        pid: process id.
        tid: thread id.
        container: container id of the task, or else the path of its cgroup; "" if
            neither is known.
        listener: printable name of the listener; "" if unknown.
        group_class: "content" or "pre_content"; "" if unknown.
    """

    comm: str
    pid: int
    tid: int
    container: str
    age: Age
    listener: str
    group_class: str


@dataclass(frozen=True, slots=True)
class Waits:
    """
    The tasks that waited when they were looked for.

    Attributes:
        listeners: the oldest wait first.
        tasks: the oldest waits, the oldest first.
        omitted_listeners: number of listeners that *listeners* lacks.
        waiting: number of tasks that wait for any listener.
        seconds_ago: seconds since the tasks were looked for.
        is_exact: False if the tasks come from /proc, which does not say for which
            listener a task waits.
    """

    listeners: Sequence[ListenerRow]
    tasks: Sequence[WaitRow]
    omitted_listeners: int
    waiting: int
    seconds_ago: float
    is_exact: bool

    @property
    def is_long(self) -> bool:
        """Return whether a task waits for longer than ordinary waits take."""
        return any(row.oldest.seconds >= MIN_SHOWN_SECONDS for row in self.listeners)

    @property
    def short_note(self) -> str:
        """Return the line that stands in place of the tables."""
        if not self.waiting:
            text = "No task waits for the answer of a permission listener."
        else:
            verb = "waits" if self.waiting == 1 else "wait"
            text = (
                f"{format_count(self.waiting, 'task')} {verb} for the answer of a "
                f"permission listener, for under {format_duration(MIN_SHOWN_SECONDS)}."
            )
        return " ".join(filter(None, (text, self.stale_note)))

    @property
    def listener_notes(self) -> str:
        """Return what the reader of the table of listeners must know."""
        omitted = (
            f"{format_count(self.omitted_listeners, 'more listener')} not shown."
            if self.omitted_listeners
            else ""
        )
        return " ".join(filter(None, (self.stale_note, self.guess_note, omitted)))

    @property
    def task_notes(self) -> str:
        """Return what the reader of the table of tasks must know."""
        more = self.waiting - len(self.tasks)
        return " ".join(
            filter(
                None,
                (
                    self.guess_note,
                    "The oldest waits." if more > 0 else "",
                    f"{format_count(more, 'more task')} not shown." if more > 0 else "",
                ),
            )
        )

    @property
    def guess_note(self) -> str:
        """Return that the listeners are a guess, "" if they are not."""
        return "" if self.is_exact else "From /proc: the listeners are a guess."

    @property
    def stale_note(self) -> str:
        """Return the age of the figures if they are old, else ""."""
        if self.seconds_ago < STALE_SECONDS:
            return ""
        return f"As of {format_duration(self.seconds_ago)} ago."
