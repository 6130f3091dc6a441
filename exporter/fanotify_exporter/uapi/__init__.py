"""Names and texts for numbers and bytes of the kernel's user-space API."""
