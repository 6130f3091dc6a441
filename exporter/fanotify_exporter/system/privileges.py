"""
Give up what serving does not need, once the programs are attached.

capabilities(7): they are a thread's, so this comes before the first other thread.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct
from collections.abc import Collection

from fanotify_exporter.errors import UsageError
from fanotify_exporter.procfs.capabilities import CAPABILITIES, read_capabilities


PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CAPABILITY_VERSION_3 = 0x2008_0522
LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)


def find_user(name: str) -> pwd.struct_passwd:
    """
    Return the entry of user *name*.

    Raises:
        UsageError: there is none.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise UsageError(
            f"--run.user: there is no user {name!r} here; name one of /etc/passwd"
        ) from None


def drop(wanted: Collection[str], user: pwd.struct_passwd | None) -> frozenset[str]:
    """
    Keep of the capabilities only those *wanted*, and run as *user* if there is one.

    No program that this process may start can get more. Returns what was kept.

    Raises:
        UsageError: this process may not become *user*.
        OSError: the kernel refuses.
    """
    kept = read_capabilities() & frozenset(wanted)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    for number in range(LAST_CAPABILITY + 1):
        _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)  # not ours, or unknown here
    if user:
        _become(user)
    _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _capset(sum(1 << bit for bit, name in CAPABILITIES.items() if name in kept))
    return kept


def _become(user: pwd.struct_passwd) -> None:
    """Run as *user*, with the capabilities that we have."""
    _prctl(PR_SET_KEEPCAPS, 1)
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    except PermissionError as error:
        raise UsageError(
            f"--run.user: cannot become {user.pw_name}: {error.strerror}. It takes "
            "CAP_SETUID and CAP_SETGID"
        ) from error
    _prctl(PR_SET_DUMPABLE, 1)  # else root owns our /proc/self


def _capset(mask: int) -> None:
    """Make *mask* the effective and the permitted set; nothing is inheritable."""
    low, high = mask & 0xFFFF_FFFF, mask >> 32
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    if _libc.capset(header, data):
        _raise("capset")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        _raise("prctl")


def _raise(call: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), call)
