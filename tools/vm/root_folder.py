"""Root file systems of Debian suites in folders, unpacked without running a program."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from tools.vm.apt import Mirror, run_command, settings_of_machine


def unpacked(
    folder: Path, suite: str, packages: Sequence[str], mirror: Mirror, *options: str
) -> Path:
    """
    Return a folder with *packages* of *suite* and their dependencies.

    The folder is made below *folder* if missing, by mmdebstrap with *options*.
    Maintainer scripts do not run.

    Raises:
        AptError: mmdebstrap failed.
    """
    version = hashlib.sha256("\n".join((suite, *packages)).encode()).hexdigest()[:8]
    root = folder / f"root-{version}"
    if root.exists():
        return root
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = folder / "apt.conf"
    settings.write_text(settings_of_machine())
    unfinished = root.with_suffix(".new")
    command = [
        *("mmdebstrap", "--mode=root", "--variant=extract", *options),
        *(f"--include={','.join(packages)}", f"--aptopt={settings}"),
        *(suite, str(unfinished), mirror.source(suite)),
    ]
    run_command(command)
    return unfinished.rename(root)
