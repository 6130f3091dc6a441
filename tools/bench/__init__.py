"""Benchmarks: costs of the exporter, as ratios against comparable programs."""
