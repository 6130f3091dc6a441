"""Helpers of the tests: servers, callers, listeners, and parsers of shipped files."""
