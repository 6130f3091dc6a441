"""Commands of the runbooks for a host on which no file can be opened."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tools.harness.rules.shipped import RUNBOOKS


BASH = shutil.which("bash") or ""
PAGES = ("FanotifyMultipleBlockingProcesses", "FanotifyExporterWebConfigStale")


@pytest.mark.parametrize("page", PAGES)
def test_only_shell_builtins_are_needed(page: str, tmp_path: Path) -> None:
    """Without any external program the loop finds a listener, and kill ends it."""
    text = (RUNBOOKS / f"{page}.md").read_text()
    ((loop, names, number),) = re.findall(
        r"^  # LC_ALL=C\n  # (for .*?in (\w+\|\w+)\).*?\n    done\n).*?# kill -9 (\d+)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert f"{names.partition('|')[0]} {number}\n" in text
    program = tmp_path / "sleeping"
    program.symlink_to(str(shutil.which("sleep")))
    with subprocess.Popen([program, "60"]) as listener:
        try:
            command = loop.replace(names, "absent|sleeping")
            output = subprocess.check_output(
                [BASH, "-c", command], env={"PATH": str(tmp_path / "empty")}, text=True
            )
            assert f"sleeping {listener.pid}" in output.splitlines()
            kill = f"kill -9 {listener.pid}"
            subprocess.check_call([BASH, "-c", kill], env={"PATH": ""})
            assert -signal.SIGKILL == listener.wait(10)
        finally:
            listener.kill()
