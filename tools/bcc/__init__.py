"""The loader under the bcc of each Debian release, in chroots."""
