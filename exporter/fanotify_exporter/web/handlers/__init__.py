"""Request handlers, one module for each subject."""
