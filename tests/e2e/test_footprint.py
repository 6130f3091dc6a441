"""Memory, log lines and child processes of the serving process."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.processes import resident_kb
from tools.harness.serving import Exporter


pytestmark = pytest.mark.whole_host

# Resident memory by Python version. Debian 12 has 3.11, and Debian 13 has 3.13.
MAX_RSS_MIB = {(3, 11): 34, (3, 13): 36}
AS_PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    "Accept-Encoding": "gzip",
}


def test_a_hundred_scrapes(exporter: Exporter, tmp_path: Path) -> None:
    """After 100 scrapes: memory within bounds, no compiler mapped, no log line."""
    caller.make(tmp_path, *(Calls(b"e2e-memory", 1, mask, 3) for mask in range(1, 4)))
    for _ in range(50):
        assert exporter.get(headers=AS_PROMETHEUS).status == 200
        assert exporter.get().status == 200

    maps = Path(f"/proc/{exporter.pid}/maps").read_text()
    assert "python" in maps
    assert re.findall(r"\S*(?:libbcc|libclang|libLLVM)\S*", maps) == []
    assert exporter.later_lines() == []
    resident = resident_kb(exporter.pid)
    print(f"VmRSS {resident} kB")
    if sys.version_info[:2] not in MAX_RSS_MIB:
        pytest.skip(f"no bound for Python {sys.version.split()[0]}: {resident} kB")
    assert resident <= MAX_RSS_MIB[sys.version_info[:2]] * 1024


def test_the_loader_has_exited(exporter: Exporter) -> None:
    """A serving exporter has no child process."""
    tasks = Path(f"/proc/{exporter.pid}/task")
    children = [(task / "children").read_text() for task in tasks.iterdir()]
    assert "".join(children) == ""
