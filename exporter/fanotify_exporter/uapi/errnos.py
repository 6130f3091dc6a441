"""
The words of fanotify's and inotify's uapi, and pure functions from numbers to them.

Tables: include/uapi/linux/fanotify.h of Linux 6.18; a bit that a table does not
name stays visible as hex, so two numbers never share a text.
"""

from __future__ import annotations

import errno as _errno
from types import MappingProxyType
from typing import Final


_KERNEL_ERRNOS: Final = MappingProxyType(
    {
        35: "EDEADLK",
        95: "EOPNOTSUPP",
        133: "EHWPOISON",
        512: "ERESTARTSYS",
        513: "ERESTARTNOINTR",
        514: "ERESTARTNOHAND",
        515: "ENOIOCTLCMD",
        516: "ERESTART_RESTARTBLOCK",
        517: "EPROBE_DEFER",
        518: "EOPENSTALE",
        519: "ENOPARAM",
        521: "EBADHANDLE",
        522: "ENOTSYNC",
        523: "EBADCOOKIE",
        524: "ENOTSUPP",
        525: "ETOOSMALL",
        526: "ESERVERFAULT",
        527: "EBADTYPE",
        528: "EJUKEBOX",
        529: "EIOCBQUEUED",
        530: "ERECALLCONFLICT",
        531: "ENOGRACE",
    }
)
"""
From 512 on include/linux/errno.h: seen by a probe, never by the caller. Before:
where Python knows another name, or none.
"""


def errno_name(number: int) -> str:
    """Return the symbol of an errno ('EBADF'), or its digits if it has none."""
    return _KERNEL_ERRNOS.get(number) or _errno.errorcode.get(number) or str(number)
