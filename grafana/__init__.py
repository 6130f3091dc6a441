"""The Grafana dashboard, and the program that writes it: `make dashboard`."""
