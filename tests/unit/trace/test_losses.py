"""Lost calls as text."""

from __future__ import annotations

from fanotify_exporter.trace.losses import format_losses


COUNTS = {"dropped": 7, "unread": 5, "no_entry": 3, "recursion_any_syscall": 2}


def test_exact_counts() -> None:
    """Only the count of the raw tracepoint, for any system call, is a bound."""
    assert format_losses(COUNTS, is_filtered=False) == (
        "7 (the buffer was full), 5 (not shown within a second of the end), "
        "3 (the entry of the call was not seen), "
        "at most 2 (the kernel skipped the program for any system call)"
    )


def test_bounds() -> None:
    """With a filter, calls that no program compared with it are a bound."""
    text = format_losses(COUNTS, is_filtered=True)
    assert text.startswith("7 (the buffer was full), 5 (not shown ")
    assert ", at most 3 (the entry of the call was not seen), at most 2 (" in text


def test_none() -> None:
    """No counts are no text."""
    assert "" == format_losses({}, is_filtered=True)
