"""fsnotify."""
