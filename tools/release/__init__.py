"""tools/release."""
