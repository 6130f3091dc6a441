"""What goes wrong outside the tests: each message is one line for a human."""


class HarnessError(Exception):
    """The tests cannot be run here, or not on this kernel."""


class AptError(HarnessError):
    """apt could not do it; the message is its own reason."""


class GuestError(HarnessError):
    """A guest cannot be started on this machine."""


class UsageError(HarnessError):
    """The command line asks for something that does not exist."""
