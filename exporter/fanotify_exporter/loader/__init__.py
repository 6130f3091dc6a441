"""Load BPF programs: compile with bcc and attach, in a child process."""
