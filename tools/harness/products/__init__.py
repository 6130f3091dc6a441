"""Real permission listeners of Debian, which tests run in guests only."""
