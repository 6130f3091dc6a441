"""Options: flags and environment variables, parsed into frozen dataclasses."""
