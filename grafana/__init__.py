"""The Grafana dashboard: `make dashboard` generates grafana/fanotify.json."""
