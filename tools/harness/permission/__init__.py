"""A permission listener and tasks that access files, which count what they did."""
