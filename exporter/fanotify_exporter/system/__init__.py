"""Interfaces to the operating system: system calls, cgroups, privileges, systemd."""
