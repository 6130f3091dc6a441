"""Benchmarks: what a scrape and a probe cost, as ratios against a peer."""
