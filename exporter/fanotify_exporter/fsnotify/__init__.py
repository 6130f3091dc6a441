"""The fanotify groups and marks that exist now, read from /proc."""
