"""What the exporter asks of the machine: system calls, cgroups, privileges, systemd."""
