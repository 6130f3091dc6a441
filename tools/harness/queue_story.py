"""
A queue that fills as the exporter sees it, second by second: a part of the stall story.

A program that reads slowly watches a filesystem. Its queue fills within two minutes,
the kernel drops events, and the program catches up. The permission listeners of the
stall have read all their events and do not answer.
"""

from __future__ import annotations

from fanotify_exporter.bpf.event_samples import EventSnapshot, ListenerEvents
from fanotify_exporter.fsnotify.model import Group, GroupScan, Marks, OwnedGroup, Queue


SLOW_READER = "auditbeat"
LIMIT = 16_384

# Seconds of the story: the queue begins to fill, is full, and is empty again.
FILLING, FULL, EMPTY = 180, 300, 360

# Events in each second, and how many of them are merged with an event in the queue.
EVENTS, MERGED = 200, 10

# Flags of fanotify_init(2).
CLASSES = {"content": 0x4, "pre_content": 0x8}


def scan(second: float, unanswered: dict[tuple[str, str], int]) -> GroupScan:
    """
    Return the groups at *second* seconds after the begin of the story.

    Args:
        unanswered: number of unanswered events by comm and class of a permission
            listener.
    """
    marks = (Marks("filesystem", blocking=False, count=1),)
    full = FULL <= second < EMPTY
    slow = OwnedGroup(
        SLOW_READER,
        0,
        Group(0, marks),
        privileged=True,
        # The last place of a full queue has the event that tells of the overflow.
        queue=Queue(_length(second), LIMIT, overflowed=full),
    )
    listeners = (
        OwnedGroup(
            comm,
            0,
            Group(CLASSES[group_class], (Marks("mount", blocking=True, count=4),)),
            privileged=True,
            queue=Queue(0, LIMIT, unanswered=number),
        )
        for (comm, group_class), number in unanswered.items()
    )
    return GroupScan((slow, *listeners), unreadable=0, scanned=second)


def events(second: float, counting_since: float) -> EventSnapshot:
    """
    Return what was counted until *second* seconds after the begin of the story.

    Args:
        counting_since: Unix time when the programs began to count.
    """
    lost = max(0.0, min(second, EMPTY) - FULL)
    outcomes = {
        "queued": int((EVENTS - MERGED) * (second - lost)),
        "merged": int(MERGED * second),
        "dropped": int((EVENTS - MERGED) * lost),
    }
    counts = ListenerEvents(SLOW_READER, outcomes, unchecked=0)
    return EventSnapshot(counting_since, (counts,), usage=(), lost=())


def _length(second: float) -> int:
    """Return how many events wait in the queue of SLOW_READER."""
    if not FILLING <= second < EMPTY:
        return int(second) % 5
    share = min(1.0, (second - FILLING) / (FULL - FILLING))
    return round(LIMIT * share)
