"""Collectors: each turns one subject into metric families on every scrape."""
