"""
Test the systemd units in QEMU guests: `python -m tools.vm.systemd`.

Systemd is PID 1 of two guests: one with Linux 6.1, one with the newest kernel of
Debian.

Needs root, the packages of `tools/packages/vm.txt`, and the project installed in
`.venv`. The exit status is 1 if a test failed or a kernel could not be fetched.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tools import CHECKOUT
from tools.harness import readme_systemd
from tools.vm import command, guest, initramfs
from tools.vm.apt import machine_mirror
from tools.vm.errors import HarnessError, UsageError
from tools.vm.guest import RESULTS, Guest
from tools.vm.kernels import Kernel, Suite
from tools.vm.matrix import NEWEST
from tools.vm.schedule import Kernels
from tools.vm.shares import Share


SUITES = (Suite("bookworm", "6.1"), NEWEST)
# The folder of the installation in README.md.
INSTALLED = Path("/opt/fanotify-exporter")
# Time limit of a guest; the tests take about 250 s.
SECONDS = 900.0
LOG = "tests.log"
# Services that fail or take long in a guest without network, disk and clock.
MASKED = (
    "systemd-random-seed",
    "systemd-tmpfiles-setup",
    "systemd-timesyncd",
    "systemd-update-utmp",
)
# The script of PID 1 in the guest. systemd, which replaces the script, mounts the
# kernel's file systems itself.
PID_1 = """\
rm -f /.dockerenv
umount /sys/kernel/debug /sys/kernel/tracing /sys/fs/bpf
{masks}
cat >/run/systemd/system/tests.service <<'END'
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
WorkingDirectory={checkout}
ExecStart=/bin/sh -c '{tests} >{results}/{log} 2>&1; echo $? >{results}/status'
ExecStopPost=/bin/sh -c 'journalctl --no-pager >{results}/journal.log; sync'
ExecStopPost=/run/guest/busybox poweroff -f
END
exec /lib/systemd/systemd --unit=tests.service
"""


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = command.parser("tools.vm.systemd", __doc__)
    add = parser.add_argument
    kernel = "kernel series such as 6.1, or Debian suite; may be repeated"
    add("--kernel", action="append", metavar="SERIES", help=kernel)
    add("-k", dest="only", metavar="EXPRESSION", help="run these tests only, as pytest")
    parser.set_defaults(cache=CHECKOUT / ".cache/vm")  # shares the kernels of tools.vm
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Install as README.md says, run the tests on each kernel, return the status."""
    suites = select(arguments.kernel or [suite.name for suite in SUITES])
    kernels = Kernels(arguments.cache, machine_mirror(arguments.mirror))
    opt = install(arguments.cache / "opt")
    failed = False
    for suite in suites:
        kernel = kernels.newest(suite)
        if isinstance(kernel, HarnessError):
            raise kernel
        results = arguments.cache / "systemd" / suite.name
        failed |= not passes(kernel, opt, results, arguments.only)
    return int(failed)


def select(words: Sequence[str]) -> list[Suite]:
    """
    Return the suites that *words* name, each by its name or its series.

    Raises:
        UsageError: a word names no suite.
    """
    names = {
        suite: {word for word in (suite.name, suite.series) if word} for suite in SUITES
    }
    known = set[str]().union(*names.values())
    for word in words:
        if word not in known:
            choices = ", ".join(sorted(known))
            raise UsageError(f"--kernel {word}: no such series or suite; try {choices}")
    return [suite for suite, own in names.items() if own.intersection(words)]


def install(opt: Path) -> Path:
    """
    Run the installation steps of README.md with INSTALLED in the folder *opt*.

    *opt* is mounted at INSTALLED in a separate mount namespace, so that the machine's
    own /opt stays unchanged.
    """
    shutil.rmtree(opt, ignore_errors=True)
    opt.mkdir(parents=True)
    INSTALLED.mkdir(parents=True, exist_ok=True)
    mount = f'mount --bind {shlex.quote(str(opt))} {INSTALLED}; exec "$@"'
    readme_systemd.follow("install", ("unshare", "--mount", "sh", "-ec", mount, "sh"))
    with suppress(OSError):  # the folder has files of the machine's own installation
        INSTALLED.rmdir()
    return opt


def passes(kernel: Kernel, opt: Path, results: Path, only: str | None) -> bool:
    """
    Run the tests in a guest with *kernel*, print the log, return True on success.

    Args:
        only: a pytest expression that selects tests; None for all tests.
    """
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    machine = Guest(
        "amd64",
        kernel,
        Path("/"),
        initramfs.host_busybox(),
        (Share("opt", opt, str(INSTALLED)),),
        "guest.init=job",
    )
    outcome = asyncio.run(guest.run(machine, job(only), results, limit_seconds=SECONDS))
    log = results / LOG
    print(log.read_text(errors="replace") if log.exists() else "no tests ran")
    print(f"{kernel.series}: {outcome.seconds:.0f} s, all output is in {results}")
    return outcome.status == 0


def job(only: str | None) -> str:
    """Return the script that prepares the guest and then executes systemd."""
    tests = [
        *(str(CHECKOUT / ".venv/bin/python"), "-m", "pytest", "-v"),
        *("-p", "no:cacheprovider", "tests/systemd"),
        *(("-k", only) if only else ()),
    ]
    units = "/run/systemd/system"
    masks = [f"ln -s /dev/null {units}/{each}.service" for each in MASKED]
    return PID_1.format(
        masks="\n".join([f"mkdir -p {units}", *masks]),
        checkout=CHECKOUT,
        tests=shlex.join(tests),
        results=RESULTS,
        log=LOG,
    )


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
