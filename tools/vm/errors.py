"""Errors of tools.vm and tools.bcc. The user sees each message as one line."""


class HarnessError(Exception):
    """The tests cannot run on this machine, or not on one of the kernels."""


class AptError(HarnessError):
    """apt failed; the message is apt's own."""


class GuestError(HarnessError):
    """A guest cannot be started on this machine."""


class UsageError(HarnessError):
    """The command line names a row that does not exist."""
