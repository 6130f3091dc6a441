"""uapi."""
