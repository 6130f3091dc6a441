"""Prometheus, Alertmanager and a webhook receiver, started for a test."""
