"""
Files that a serving exporter opens.

While a permission listener does not answer, each open of a file in its file systems
waits. The exporter answers in that time, because no answer waits for an open or an
import.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tools import CHECKOUT
from tools.harness.certificates import make_certificates, trusting
from tools.harness.every_request import CONFIG, exercise
from tools.harness.processes import running


# Not the stand-in that a fixture puts into sys.executable.
PYTHON = sys.executable


def late_events(folder: Path, *flags: str, password: str = "") -> list[str]:
    """Serve every kind of request, and return what was opened or imported late."""
    report = folder / "report"
    command: list[str | Path] = [PYTHON, "-m", "tests.unit.fixtures.audited_exporter"]
    command += [sys.executable, report]
    command += ["--web.listen-address=127.0.0.1:0", "--log.level=debug", *flags]
    with running(command, folder / "log", cwd=CHECKOUT) as exporter:
        found = re.search(r"address=127\.0\.0\.1:(\d+)", exporter.line("listening"))
        assert found
        context = trusting(folder, "client") if password else None
        exercise(int(found[1]), password, context)
        exporter.process.terminate()
        assert 0 == exporter.process.wait(10)
        log = exporter.log.read_text()
    for expected in ("AttributeError", "client too slow", "too many connections"):
        assert expected in log
    return report.read_text().splitlines()


def outside_proc(events: list[str]) -> list[str]:
    """Return the events that are no open of a file in /proc."""
    # The scans open files relative to a folder of /proc.
    opened = r"(open|os\.listdir|os\.scandir)\t/proc(/.*)?"
    in_proc = rf"[\w ]+\t{opened}|(groups|waiting tasks)\topen\t\w[\w/]*"
    assert [each for each in events if re.fullmatch(in_proc, each)]
    return [each for each in events if not re.fullmatch(in_proc, each)]


@pytest.mark.usefixtures("handing_over_child")
def test_nothing_is_opened_late(tmp_path: Path) -> None:
    """No request and no error path opens a file outside /proc, or imports."""
    assert [] == outside_proc(late_events(tmp_path))


@pytest.mark.usefixtures("handing_over_child")
def test_only_a_thread_opens_the_web_configuration(tmp_path: Path) -> None:
    """With TLS and passwords, only a thread that no answer waits for opens files."""
    make_certificates(tmp_path)
    config = tmp_path / "web.yml"
    config.write_text(CONFIG)
    found = late_events(tmp_path, f"--web.config.file={config}", password="secret")
    files = ("ca.pem", "server.key", "server.pem", "web.yml")
    assert [f"web-config\topen\t{tmp_path / name}" for name in files] == (
        outside_proc(found)
    )
