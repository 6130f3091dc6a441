"""Memory that one thread has freed is used by the next."""

from __future__ import annotations

import subprocess
import sys


# Allocates in a thread and prints how many arenas glibc then has, from malloc_info(3).
PROGRAM = """
import ctypes, sys, threading
from fanotify_exporter.system.malloc import use_one_arena
if "one" in sys.argv:
    use_one_arena()
threads = [threading.Thread(target=bytearray, args=(70_000,)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.open_memstream.restype = ctypes.c_void_p
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fclose(ctypes.c_void_p(stream))
print(text.value.count(b"<heap "))
"""


def arenas(*arguments: str) -> int:
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, *arguments])
    return int(output)


def test_threads_share_the_arena() -> None:
    """Threads allocate from the arena of the main thread, and not from their own."""
    assert 1 == arenas("one")
    assert 1 < arenas()
