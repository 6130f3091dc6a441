"""
What a reader wants to know of each name of fanotify's uapi; the names, without numbers.

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
    What a name means to who meets it in a label.

    Attributes:
        since: Linux version; in brackets the stable releases that took it over.
        meaning: what it asks for.
        needs: what the call fails without, or has no effect without.
    """

    since: str
    meaning: str
    needs: str = ""


FIRST = "2.6.37"
STABLE = "(5.15.154, 5.10.220)"

ADMIN = "`CAP_SYS_ADMIN`"
ASKING = "a group that may be asked"
HANDLES = "file handles; not a mount mark"

MARK_COMMANDS = {
    "FAN_MARK_ADD": Fact(
        FIRST, "adds events to the object's mark, making it if there is none", "a mask"
    ),
    "FAN_MARK_REMOVE": Fact(
        FIRST, "takes events off the mark; without any left it is gone", "a mask"
    ),
    "FAN_MARK_FLUSH": Fact(
        FIRST,
        "removes all marks of one type from the group; mask and path are not used",
        "no flag but the type",
    ),
}

MARK_TYPES = {
    "FAN_MARK_INODE": Fact(FIRST, "one file or directory"),
    "FAN_MARK_MOUNT": Fact(FIRST, "the mount that the object is reached by", ADMIN),
    "FAN_MARK_FILESYSTEM": Fact("4.20", "the filesystem that holds the object", ADMIN),
    "FAN_MARK_MNTNS": Fact(
        "6.15",
        "a mount namespace, given as a file like `/proc/PID/ns/mnt`",
        f"{ADMIN}, `FAN_REPORT_MNT`",
    ),
}

MARK_MODIFIERS = {
    "FAN_MARK_DONT_FOLLOW": Fact(FIRST, "marks a symbolic link, not what it leads to"),
    "FAN_MARK_ONLYDIR": Fact(FIRST, "fails unless the object is a directory"),
    "FAN_MARK_IGNORED_MASK": Fact(
        FIRST, "changes the ignore mask: events that the group does not want"
    ),
    "FAN_MARK_IGNORED_SURV_MODIFY": Fact(
        FIRST, "keeps the ignore mask when the file is written", "an ignore mask"
    ),
    "FAN_MARK_EVICTABLE": Fact(
        f"5.19 {STABLE}",
        "lets the kernel drop inode and mark when memory is short",
        "an inode mark",
    ),
    "FAN_MARK_IGNORE": Fact(
        f"6.0 {STABLE}",
        "as `FAN_MARK_IGNORED_MASK`, but heeds `FAN_ONDIR` and `FAN_EVENT_ON_CHILD`",
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
        FIRST, "the queue was full and events are lost; told, never to be asked for"
    ),
    "FAN_FS_ERROR": Fact(
        f"5.16 {STABLE}",
        "the filesystem found its metadata damaged",
        "file handles; a filesystem mark",
    ),
    "FAN_OPEN_PERM": Fact(FIRST, "may a file or directory be opened?", ASKING),
    "FAN_ACCESS_PERM": Fact(FIRST, "may a file or directory be read?", ASKING),
    "FAN_OPEN_EXEC_PERM": Fact("5.0", "may a file be opened by execve(2)?", ASKING),
    "FAN_PRE_ACCESS": Fact(
        "6.14",
        "a part of a file will be read or written: time to fill it in",
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
        "no event: the others also for what is directly in the directory",
        "a mark on a directory",
    ),
    "FAN_RENAME": Fact(
        f"5.17 {STABLE}",
        "an entry was renamed; old and new name in one event",
        "`FAN_REPORT_NAME`; a mark on a directory or filesystem",
    ),
    "FAN_ONDIR": Fact(
        FIRST, "no event: the others also where the object is a directory"
    ),
}

INIT_CLASSES = {
    "FAN_CLASS_NOTIF": Fact(FIRST, "is told, after the fact"),
    "FAN_CLASS_CONTENT": Fact(
        FIRST,
        "may also be asked, once a file has its final content",
        f"{ADMIN}; none of `FAN_REPORT_*FID`, `FAN_REPORT_NAME`, `FAN_REPORT_MNT`",
    ),
    "FAN_CLASS_PRE_CONTENT": Fact(
        FIRST,
        "may also be asked, first of all, so that it can fill the file",
        "as `FAN_CLASS_CONTENT`",
    ),
}

INIT_FLAGS = {
    "FAN_CLOEXEC": Fact(FIRST, "closes the descriptor on execve(2)"),
    "FAN_NONBLOCK": Fact(FIRST, "read(2) of an empty queue fails with `EAGAIN`"),
    "FAN_UNLIMITED_QUEUE": Fact(FIRST, "no limit on events that wait", ADMIN),
    "FAN_UNLIMITED_MARKS": Fact(FIRST, "no limit on marks, and none counted", ADMIN),
    "FAN_ENABLE_AUDIT": Fact(
        "4.15", "answers may ask for an audit record", "`CAP_AUDIT_WRITE`"
    ),
    "FAN_REPORT_PIDFD": Fact(
        "5.15 (5.10.220)",
        "events carry a pidfd of who caused them",
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
        "events say why a descriptor could not be opened",
        ADMIN,
    ),
    "FAN_REPORT_MNT": Fact(
        "6.15",
        "events about mounts, and no others",
        "`FAN_CLASS_NOTIF`; no other `FAN_REPORT_*FID`, `_NAME` or `_FD_ERROR`",
    ),
}
