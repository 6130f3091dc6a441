"""
Privileges of the serving process: which capabilities remain after attaching.

Capabilities belong to a thread (capabilities(7)), so drop() must run before the
process starts its first other thread.
"""

from __future__ import annotations

import os
import pwd
import struct
from collections.abc import Collection
from contextlib import suppress

from fanotify_exporter.errors import UsageError
from fanotify_exporter.procfs.capabilities import CAPABILITIES, read_capabilities
from fanotify_exporter.system.syscalls import syscall


# include/uapi/linux/prctl.h
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

# _LINUX_CAPABILITY_VERSION_3 of include/uapi/linux/capability.h: sets of 64 bits.
CAPABILITY_VERSION_3 = 0x2008_0522
LAST_CAPABILITY = 63


def find_user(name: str) -> pwd.struct_passwd:
    """
    Return the passwd entry of user *name*.

    Raises:
        UsageError: no such user exists.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise UsageError(
            f"--run.user: there is no user {name!r} here. Name a user that "
            "`getent passwd` lists"
        ) from None


def drop(wanted: Collection[str], user: pwd.struct_passwd | None) -> frozenset[str]:
    """
    Drop all capabilities but those *wanted*, and become *user* if given.

    Programs that this process starts cannot gain more (PR_SET_NO_NEW_PRIVS and an
    empty bounding set). Returns the names of the capabilities that remain.

    Raises:
        UsageError: this process may not become *user*.
        OSError: the kernel refuses a call.
    """
    kept = read_capabilities() & frozenset(wanted)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    for number in range(LAST_CAPABILITY + 1):
        with suppress(OSError):  # no CAP_SETPCAP, or a number this kernel lacks
            _prctl(PR_CAPBSET_DROP, number)
    if user:
        _become(user)
    with suppress(OSError):  # kernels before 4.3 have no ambient set
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    _capset(sum(1 << bit for bit, name in CAPABILITIES.items() if name in kept))
    return kept


def _become(user: pwd.struct_passwd) -> None:
    """Switch to *user* and *user*'s groups; the permitted capabilities stay."""
    _prctl(PR_SET_KEEPCAPS, 1)
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    except PermissionError as error:
        raise UsageError(
            f"--run.user: cannot become {user.pw_name}: {error.strerror}. Start the "
            "exporter with CAP_SETUID and CAP_SETGID"
        ) from error
    # Without this call root would own the files of /proc/self.
    _prctl(PR_SET_DUMPABLE, 1)


def _capset(mask: int) -> None:
    """Make *mask* the effective and the permitted set, and empty the inheritable."""
    low, high = mask & 0xFFFF_FFFF, mask >> 32
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    syscall("capset", header, data)


def _prctl(option: int, value: int) -> None:
    syscall("prctl", option, value, 0, 0, 0)
