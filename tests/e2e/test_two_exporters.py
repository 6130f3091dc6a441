"""Two exporters on one host do not affect each other."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.serving import Exporter, serving


def test_two_exporters_count_the_same_calls(exporter: Exporter, tmp_path: Path) -> None:
    """Each exporter has exact counts, also after the other has stopped."""
    comm = f"e2e-two-{os.getpid()}"
    key = (comm, "flush", "filesystem", "FAN_MARK_FLUSH|FAN_MARK_FILESYSTEM", "0")
    failing = Calls(comm.encode(), 0x180, 0, 211, errno.EBADF)
    with serving(tmp_path / "other.log") as other:
        caller.make(tmp_path, failing)
        assert exporter.calls(comm, 211) == {key: 211}
        assert other.calls(comm, 211) == {key: 211}
        other.stop(signal.SIGTERM)
        caller.make(tmp_path, failing)
    assert exporter.calls(comm, 422) == {key: 422}
