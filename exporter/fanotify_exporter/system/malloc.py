"""Settings of the C library's memory allocator."""

from __future__ import annotations

from fanotify_exporter.system.syscalls import libc


# /usr/include/malloc.h, mallopt(3)
M_ARENA_MAX = -8


def use_one_arena() -> None:
    """
    Let all threads allocate from one arena. Call before the first thread starts.

    By default glibc gives each thread an arena, and no thread can use what another
    thread has freed. Python's threads allocate while they hold the GIL, so they do not
    compete for the arena. A C library without mallopt(3), such as musl, has no arenas.
    """
    mallopt = getattr(libc, "mallopt", None)
    if mallopt:
        mallopt(M_ARENA_MAX, 1)


def return_free_memory() -> None:
    """Return what was allocated and freed to the kernel; malloc_trim(3)."""
    malloc_trim = getattr(libc, "malloc_trim", None)
    if malloc_trim:
        malloc_trim(0)
