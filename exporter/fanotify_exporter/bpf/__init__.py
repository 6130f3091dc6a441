"""The loaded BPF programs as the serving process uses them: maps, misses, pins."""
