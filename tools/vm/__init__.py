"""The kernel tests in QEMU guests, one guest for each kernel that Debian serves."""
