"""
Run a command and change the registers of its system calls.

    tracer.py CHANGE COMMAND ...

A tracer may change the number and the arguments of a system call when the call enters
the kernel (ptrace(2), PTRACE_SYSCALL). CHANGE is:

- ``show``: clear the bit HIDDEN of a number, see caller.c;
- ``show_odd``: also set the upper half of the registers with the number and with each
  argument of 32 bits, on x86;
- ``hide``: set the bit HIDDEN in the number of each call that caller.c counts.

Only the standard library is imported, so that the file runs by its path.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys


# include/uapi/linux/ptrace.h and elf.h
TRACEME, SYSCALL, SETOPTIONS = 0, 24, 0x4200
GETREGSET, SETREGSET, GET_SYSCALL_INFO = 0x4204, 0x4205, 0x420E
TRACESYSGOOD, TRACECLONE, EXITKILL = 1, 8, 0x100000
SYSCALL_INFO_ENTRY = 1
NT_PRSTATUS, NT_ARM_SYSTEM_CALL = 1, 0x404
# Wait for threads too (wait.h).
WALL = 0x40000000

HIDDEN = 0x1000
ODD = 0xDEADBEEF << 32

# include/uapi/linux/audit.h -> numbers of fanotify_mark(2), fanotify_init(2),
# inotify_init1(2) and inotify_add_watch(2).
AUDIT_ARCH_I386 = 0x40000003
COUNTED = {
    AUDIT_ARCH_I386: (339, 338, 332, 292),
    0xC000003E: (301, 300, 294, 254),  # AUDIT_ARCH_X86_64
    0xC00000B7: (263, 262, 26, 27),  # AUDIT_ARCH_AARCH64
}

# Positions in struct user_regs_struct of x86-64: orig_rax and the first six arguments
# of a native and of a compat call.
ORIG_RAX = 15
NATIVE_ARGUMENTS, COMPAT_ARGUMENTS = (14, 13, 12, 7, 9, 8), (5, 11, 12, 13, 14, 4)
# Arguments of 64 bits: the mask and the path of a native fanotify_mark(2), and the path
# of a native inotify_add_watch(2).
WIDE = {301: (2, 4), 254: (1,)}

libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request: int, pid: int, address: int, data: object) -> None:
    """Control the traced thread *pid*. Raise OSError if the kernel refuses."""
    words = (ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(address))
    if libc.ptrace(*words, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


class Registers:
    """A register set of a stopped thread."""

    def __init__(self, pid: int, kind: int, size: int) -> None:
        """Read the set *kind*, at most *size* bytes."""
        self._pid, self._kind = pid, kind
        self.buffer = ctypes.create_string_buffer(size)
        self._transfer(GETREGSET)

    def write(self) -> None:
        """Write the set back."""
        self._transfer(SETREGSET)

    def _transfer(self, request: int) -> None:
        address, size = ctypes.addressof(self.buffer), len(self.buffer)
        vector = ctypes.create_string_buffer(struct.pack("@PN", address, size))
        ptrace(request, self._pid, self._kind, vector)


def change(pid: int, how: str) -> None:
    """Change the registers of the thread *pid*, which stopped at a system call."""
    info = ctypes.create_string_buffer(88)
    ptrace(GET_SYSCALL_INFO, pid, len(info), info)
    kind, arch, number = struct.unpack_from("=B3xI16xQ", info.raw)
    if kind != SYSCALL_INFO_ENTRY or number & ~HIDDEN not in COUNTED[arch]:
        return
    if how == "hide":
        number |= HIDDEN
    elif number & HIDDEN:
        number &= ~HIDDEN
    else:
        return
    if os.uname().machine == "aarch64":
        call = Registers(pid, NT_ARM_SYSTEM_CALL, 4)
        struct.pack_into("=i", call.buffer, 0, number)
        call.write()
    else:
        change_x86(pid, arch, number, odd=how == "show_odd")


def change_x86(pid: int, arch: int, number: int, *, odd: bool) -> None:
    """Set orig_rax, and the upper halves of registers if *odd*."""
    call = Registers(pid, NT_PRSTATUS, 27 * 8)
    words = list(struct.unpack("=27Q", call.buffer.raw))
    words[ORIG_RAX] = number | (ODD if odd else 0)
    is_compat = arch == AUDIT_ARCH_I386
    places = COMPAT_ARGUMENTS if is_compat else NATIVE_ARGUMENTS
    wide = () if is_compat else WIDE.get(number, ())
    for position, place in enumerate(places if odd else ()):
        if position not in wide:
            words[place] = words[place] & 0xFFFFFFFF | ODD
    struct.pack_into("=27Q", call.buffer, 0, *words)
    call.write()


def main(how: str, *command: str) -> int:
    """Run *command*, follow its threads, return its exit status."""
    child = os.fork()
    if not child:
        ptrace(TRACEME, 0, 0, None)
        os.execvp(command[0], command)
    os.waitpid(child, 0)
    options = TRACESYSGOOD | TRACECLONE | EXITKILL
    ptrace(SETOPTIONS, child, 0, ctypes.c_long(options))
    ptrace(SYSCALL, child, 0, None)
    while True:
        pid, status = os.waitpid(-1, WALL)
        if not os.WIFSTOPPED(status):
            if pid == child:
                return os.waitstatus_to_exitcode(status)
            continue
        stop = os.WSTOPSIG(status)
        if stop == signal.SIGTRAP | 0x80:
            change(pid, how)
        # SIGTRAP is an event of ptrace(2), SIGSTOP the start of a thread.
        own = (signal.SIGTRAP | 0x80, signal.SIGTRAP, signal.SIGSTOP)
        ptrace(SYSCALL, pid, 0, ctypes.c_long(0 if stop in own else stop))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
