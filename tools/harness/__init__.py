"""tools/harness."""
