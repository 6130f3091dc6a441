"""Log lines: their format, and the thread that writes them."""
