"""Symbols of error numbers, including numbers that the kernel uses internally."""

from __future__ import annotations

from errno import errorcode
from types import MappingProxyType
from typing import Final


# From 512 on: include/linux/errno.h, errors that a BPF program sees and the caller of
# the system call does not. Below 512: errors for which Python has another symbol, or
# none; include/uapi/asm-generic/errno.h.
KERNEL_ERRNOS: Final = MappingProxyType(
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


def errno_name(number: int) -> str:
    """Return the symbol of an errno ('EBADF'), or the digits if no symbol exists."""
    return KERNEL_ERRNOS.get(number) or errorcode.get(number) or str(number)
