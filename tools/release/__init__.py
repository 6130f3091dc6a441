"""Check and build a release."""
