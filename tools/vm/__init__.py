"""Tests in QEMU guests, one guest for each kernel of a Debian release."""
