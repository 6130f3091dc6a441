"""
Facts about the names of the fanotify uapi; the numbers are in the code.

Sources: fanotify_mark(2), fanotify_init(2) and fanotify(7) of man-pages, and
do_fanotify_mark() and fanotify_init() in fs/notify/fanotify/fanotify_user.c of
Linux 6.18. No name that came with 5.15 or later is among the constants that
golang.org/x/sys/unix took from an earlier release's headers; that decided where man
pages disagree.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """
    The meaning of a name in a label.

    Attributes:
        since: Linux version; in brackets the stable releases with a backport.
        meaning: the effect of the bit.
        needs: conditions without which the call fails or the bit has no effect.
    """

    since: str
    meaning: str
    needs: str = ""


FIRST = "2.6.37"
STABLE = "(5.15.154, 5.10.220)"

ADMIN = "`CAP_SYS_ADMIN`"
LISTENER = "a group of class `FAN_CLASS_CONTENT` or `FAN_CLASS_PRE_CONTENT`"
HANDLES = "file handles; not a mount mark"

MARK_COMMANDS = {
    "FAN_MARK_ADD": Fact(
        FIRST,
        "adds events to the mark of the object; creates the mark if there is none",
        "a mask",
    ),
    "FAN_MARK_REMOVE": Fact(
        FIRST,
        "removes events from the mark; a mark without events is removed",
        "a mask",
    ),
    "FAN_MARK_FLUSH": Fact(
        FIRST,
        "removes all marks of one type from the group; mask and path are not used",
        "no flag but the type",
    ),
}

MARK_TYPES = {
    "FAN_MARK_INODE": Fact(FIRST, "one file or directory"),
    "FAN_MARK_MOUNT": Fact(
        FIRST, "the mount through which the path leads to the object", ADMIN
    ),
    "FAN_MARK_FILESYSTEM": Fact("4.20", "the filesystem that holds the object", ADMIN),
    "FAN_MARK_MNTNS": Fact(
        "6.15",
        "a mount namespace, given as a file like `/proc/PID/ns/mnt`",
        f"{ADMIN}, `FAN_REPORT_MNT`",
    ),
}

MARK_MODIFIERS = {
    "FAN_MARK_DONT_FOLLOW": Fact(FIRST, "marks a symbolic link, not its target"),
    "FAN_MARK_ONLYDIR": Fact(FIRST, "fails unless the object is a directory"),
    "FAN_MARK_IGNORED_MASK": Fact(
        FIRST, "changes the ignore mask: events that are not reported"
    ),
    "FAN_MARK_IGNORED_SURV_MODIFY": Fact(
        FIRST, "keeps the ignore mask when the file is modified", "an ignore mask"
    ),
    "FAN_MARK_EVICTABLE": Fact(
        f"5.19 {STABLE}",
        "lets the kernel drop inode and mark when memory is short",
        "an inode mark",
    ),
    "FAN_MARK_IGNORE": Fact(
        f"6.0 {STABLE}",
        "as `FAN_MARK_IGNORED_MASK`, and respects `FAN_ONDIR` and `FAN_EVENT_ON_CHILD`",
        "`FAN_MARK_IGNORED_SURV_MODIFY`, unless on a file",
    ),
}

MASK = {
    "FAN_ACCESS": Fact(FIRST, "a file or directory was read"),
    "FAN_MODIFY": Fact(FIRST, "a file was written"),
    "FAN_ATTRIB": Fact("5.1", "metadata changed", HANDLES),
    "FAN_CLOSE_WRITE": Fact(FIRST, "a file open for writing was closed"),
    "FAN_CLOSE_NOWRITE": Fact(FIRST, "a file or directory open for reading was closed"),
    "FAN_OPEN": Fact(FIRST, "a file or directory was opened"),
    "FAN_MOVED_FROM": Fact("5.1", "an entry was moved out of a directory", HANDLES),
    "FAN_MOVED_TO": Fact("5.1", "an entry was moved into a directory", HANDLES),
    "FAN_CREATE": Fact("5.1", "an entry was made in a directory", HANDLES),
    "FAN_DELETE": Fact("5.1", "an entry was deleted from a directory", HANDLES),
    "FAN_DELETE_SELF": Fact("5.1", "the object itself was deleted", HANDLES),
    "FAN_MOVE_SELF": Fact("5.1", "the object itself was moved", HANDLES),
    "FAN_OPEN_EXEC": Fact(
        "5.0", "a file was opened by execve(2); not a script by its interpreter"
    ),
    "FAN_Q_OVERFLOW": Fact(
        FIRST, "the queue was full and events are lost; only reported, never requested"
    ),
    "FAN_FS_ERROR": Fact(
        f"5.16 {STABLE}",
        "the filesystem found damaged metadata",
        "file handles; a filesystem mark",
    ),
    "FAN_OPEN_PERM": Fact(FIRST, "permission to open a file or directory", LISTENER),
    "FAN_ACCESS_PERM": Fact(FIRST, "permission to read a file or directory", LISTENER),
    "FAN_OPEN_EXEC_PERM": Fact(
        "5.0", "permission to open a file by execve(2)", LISTENER
    ),
    "FAN_PRE_ACCESS": Fact(
        "6.14",
        "permission to read or write a part of a file; the listener can fill it first",
        "`FAN_CLASS_PRE_CONTENT`; a filesystem that offers it; no `FAN_ONDIR`",
    ),
    "FAN_MNT_ATTACH": Fact(
        "6.15", "a mount was attached", "`FAN_REPORT_MNT`; a mount namespace mark"
    ),
    "FAN_MNT_DETACH": Fact(
        "6.15", "a mount was detached", "`FAN_REPORT_MNT`; a mount namespace mark"
    ),
    "FAN_EVENT_ON_CHILD": Fact(
        FIRST,
        "no event of its own: reports other events also for entries of the directory",
        "a mark on a directory",
    ),
    "FAN_RENAME": Fact(
        f"5.17 {STABLE}",
        "an entry was renamed; old and new name in one event",
        "`FAN_REPORT_NAME`; a mark on a directory or filesystem",
    ),
    "FAN_ONDIR": Fact(
        FIRST, "no event of its own: reports the other events also for directories"
    ),
}

INIT_CLASSES = {
    "FAN_CLASS_NOTIF": Fact(FIRST, "notification events only"),
    "FAN_CLASS_CONTENT": Fact(
        FIRST,
        "also permission events, for files that have their final content",
        f"{ADMIN}; none of `FAN_REPORT_*FID`, `FAN_REPORT_NAME`, `FAN_REPORT_MNT`",
    ),
    "FAN_CLASS_PRE_CONTENT": Fact(
        FIRST,
        "also permission events, before other groups: the listener can fill files",
        "as `FAN_CLASS_CONTENT`",
    ),
}

INIT_FLAGS = {
    "FAN_CLOEXEC": Fact(FIRST, "closes the descriptor on execve(2)"),
    "FAN_NONBLOCK": Fact(FIRST, "read(2) of an empty queue fails with `EAGAIN`"),
    "FAN_UNLIMITED_QUEUE": Fact(FIRST, "no limit on queued events", ADMIN),
    "FAN_UNLIMITED_MARKS": Fact(
        FIRST, "no limit on marks; the marks are not charged to the user", ADMIN
    ),
    "FAN_ENABLE_AUDIT": Fact(
        "4.15", "responses may request an audit record", "`CAP_AUDIT_WRITE`"
    ),
    "FAN_REPORT_PIDFD": Fact(
        "5.15 (5.10.220)",
        "events carry a pidfd of the process that caused them",
        f"{ADMIN}; not `FAN_REPORT_TID`",
    ),
    "FAN_REPORT_TID": Fact("4.20", "events carry a thread's ID", ADMIN),
    "FAN_REPORT_FID": Fact("5.1", "events carry a file handle instead of a descriptor"),
    "FAN_REPORT_DIR_FID": Fact("5.9", "events carry the directory's file handle"),
    "FAN_REPORT_NAME": Fact(
        "5.9", "events carry the entry's name", "`FAN_REPORT_DIR_FID`"
    ),
    "FAN_REPORT_TARGET_FID": Fact(
        f"5.17 {STABLE}",
        "events about entries also carry the file's own handle",
        "`FAN_REPORT_FID`, `FAN_REPORT_DIR_FID`, `FAN_REPORT_NAME`",
    ),
    "FAN_REPORT_FD_ERROR": Fact(
        "6.13 (6.12.4, 6.6.66)",
        "events carry the errno if a descriptor could not be opened",
        ADMIN,
    ),
    "FAN_REPORT_MNT": Fact(
        "6.15",
        "reports mount events, and no others",
        "`FAN_CLASS_NOTIF`; no other `FAN_REPORT_*FID`, `_NAME` or `_FD_ERROR`",
    ),
}
