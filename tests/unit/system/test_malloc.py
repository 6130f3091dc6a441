"""Free memory is shared by threads, and returned to the kernel."""

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


# Frees every second of many small blocks and prints the growth of the resident memory,
# in kB, that is left.
FREEING = """
import ctypes, sys
from fanotify_exporter.system.malloc import return_free_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
before = resident()
blocks = [ctypes.c_void_p(libc.malloc(20_000)) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 20_000)
for block in blocks[:-1]:
    libc.free(block)
if "return" in sys.argv:
    return_free_memory()
print(resident() - before)
"""


def arenas(*arguments: str) -> int:
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, *arguments])
    return int(output)


def test_threads_share_the_arena() -> None:
    """Threads allocate from the arena of the main thread, and not from their own."""
    assert 1 == arenas("one")
    assert 1 < arenas()


def growth(*arguments: str) -> int:
    """Return the kB that stay resident after 20 MB were freed below one used block."""
    output = subprocess.check_output([sys.executable, "-c", FREEING, *arguments])
    return int(output)


def test_free_memory_is_returned() -> None:
    """Memory below a block in use goes back to the kernel too."""
    assert growth("return") < 5_000
    assert growth() > 15_000
