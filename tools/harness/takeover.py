"""
Attempts of a serving process that was taken over to change another process.

attack() runs this file: the process drops its privileges as the exporter does, installs
the filter if wanted, and then tries to write into a Victim in every way.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fanotify_exporter.system import privileges, seccomp


# include/uapi/linux/ptrace.h
PTRACE_PEEKDATA, PTRACE_POKEDATA, PTRACE_ATTACH, PTRACE_DETACH = 2, 5, 16, 17
PIDFD_OPEN, PIDFD_GETFD = 434, 438

# The capabilities of the serving process with the collector of groups.
CAPABILITIES = ("CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE")

UNTOUCHED, TOUCHED = b"untouched", b"ATTACKED!"
VICTIM = """
import ctypes, os, sys
memory = ctypes.create_string_buffer(b"untouched")
reading, writing = os.pipe()
os.set_blocking(reading, False)
print(ctypes.addressof(memory), writing, flush=True)
sys.stdin.readline()
try:
    sent = os.read(reading, 100)
except BlockingIOError:
    sent = b""
print((memory.value + sent).decode(), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Victim:
    """A process with a known text in memory and the writing end of a pipe."""

    process: subprocess.Popen[str]
    address: int
    pipe: int

    def content(self) -> bytes:
        """Return the text in memory with what the pipe got, and end the process."""
        return self.process.communicate("\n")[0].strip().encode()


@contextmanager
def victim(uid: int) -> Iterator[Victim]:
    """Run a process of user *uid* until the end of the block."""
    command = [getattr(sys, "_base_executable", sys.executable), "-c", VICTIM]
    ways: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": ()}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **ways
    ) as process:
        assert process.stdout
        address, pipe = map(int, process.stdout.readline().split())
        try:
            yield Victim(process, address, pipe)
        finally:
            process.kill()


def attack(way: str, target: Victim, *, user: str, is_filtered: bool) -> str:
    """Attack in the *way*, a key of WAYS, as *user*; return "" or the errno's name."""
    command = [sys.executable, __file__, way, str(target.process.pid)]
    command += [str(target.address), str(target.pipe), f"--user={user}"]
    command += ["--filter"] if is_filtered else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return str(json.loads(done.stdout))


libc = ctypes.CDLL(None, use_errno=True)
for function in (libc.ptrace, libc.syscall, libc.process_vm_writev):
    function.restype = ctypes.c_long


class Vector(ctypes.Structure):
    """struct iovec of readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def write_memory(pid: int, address: int, _: int) -> None:
    buffer = ctypes.create_string_buffer(TOUCHED)
    local = Vector(ctypes.addressof(buffer), len(TOUCHED))
    remote = Vector(address, len(TOUCHED))
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    vectors = ctypes.byref(local), one, ctypes.byref(remote), one
    checked(libc.process_vm_writev(pid, *vectors, none))


def write_mem_file(pid: int, address: int, _: int) -> None:
    fd = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    os.pwrite(fd, TOUCHED, address)


def trace(pid: int, address: int, _: int) -> None:
    checked(libc.ptrace(PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0)
    word = int.from_bytes(TOUCHED[:8], sys.byteorder)
    where = ctypes.c_void_p(address)
    checked(libc.ptrace(PTRACE_POKEDATA, pid, where, ctypes.c_void_p(word)))
    checked(libc.ptrace(PTRACE_DETACH, pid, None, None))


def take_descriptor(pid: int, _: int, pipe: int) -> None:
    pidfd = checked(libc.syscall(PIDFD_OPEN, pid, 0))
    os.write(checked(libc.syscall(PIDFD_GETFD, pidfd, pipe, 0)), TOUCHED)


def open_descriptor(pid: int, _: int, pipe: int) -> None:
    os.write(os.open(f"/proc/{pid}/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK), TOUCHED)


def kill(pid: int, _: int, __: int) -> None:
    os.kill(pid, signal.SIGKILL)


def let_the_kernel_kill(pid: int, _: int, __: int) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(reading, fcntl.F_SETOWN, pid)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"x")


WAYS: dict[str, Callable[[int, int, int], None]] = {
    "process_vm_writev": write_memory,
    "/proc/PID/mem": write_mem_file,
    "ptrace": trace,
    "pidfd_getfd": take_descriptor,
    "/proc/PID/fd": open_descriptor,
    "kill": kill,
    "F_SETOWN": let_the_kernel_kill,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("numbers", type=int, nargs=3)
    parser.add_argument("--user")
    parser.add_argument("--filter", action="store_true")
    options = parser.parse_args()
    user = privileges.find_user(options.user)
    privileges.drop(CAPABILITIES, user if user.pw_uid else None)
    if options.filter:
        seccomp.install([])
    try:
        WAYS[options.way](*options.numbers)
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno or 0]))
    else:
        print(json.dumps(""))


if __name__ == "__main__":
    main()
