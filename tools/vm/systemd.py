"""
Test the systemd units in QEMU guests: `python -m tools.vm.systemd`.

Systemd is PID 1 of two guests: one with Linux 6.1, one with the newest kernel of
Debian.

Needs root, the packages of `tools/packages/vm.txt`, and the project installed in
`.venv`. The exit status is 1 if a test failed or a kernel could not be fetched.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from tools import CHECKOUT
from tools.harness import readme_systemd
from tools.vm import command, jobs
from tools.vm.guest import RESULTS
from tools.vm.jobs import Job
from tools.vm.kernels import Suite
from tools.vm.matrix import NEWEST
from tools.vm.shares import Share


SUITES = (Suite("bookworm", "6.1"), NEWEST)
# The folder of the installation in README.md.
INSTALLED = Path("/opt/fanotify-exporter")
# Time limit of a guest; the tests take about 250 s.
SECONDS = 900.0
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
cat >/run/tests.sh <<'END'
{tests} >{results}/{log} 2>&1
echo $? >{results}/status
END
cat >/run/systemd/system/tests.service <<'END'
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
WorkingDirectory={checkout}
ExecStart=/bin/sh /run/tests.sh
ExecStopPost=/bin/sh -c 'journalctl --no-pager >{results}/journal.log; sync'
ExecStopPost=/run/guest/busybox poweroff -f
END
exec /lib/systemd/systemd --unit=tests.service
"""


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = jobs.parser("tools.vm.systemd", __doc__)
    tests = "run these tests only, as pytest"
    parser.add_argument("-k", dest="only", metavar="EXPRESSION", help=tests)
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Install as README.md says, run the tests on each kernel, return the status."""
    suites = jobs.select(arguments.kernel, SUITES)
    opt = install(arguments.cache / "opt")
    job = Job(
        "systemd",
        script(arguments.only),
        SECONDS,
        (Share("opt", opt, str(INSTALLED)),),
        "guest.init=job",
    )
    return jobs.run(job, suites, arguments)


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


def script(only: str | None) -> str:
    """Return the script that prepares the guest and then executes systemd."""
    units = "/run/systemd/system"
    masks = [f"ln -s /dev/null {units}/{each}.service" for each in MASKED]
    return PID_1.format(
        masks="\n".join([f"mkdir -p {units}", *masks]),
        checkout=CHECKOUT,
        tests=shlex.join(jobs.pytest_command("tests/systemd", only)),
        results=RESULTS,
        log=jobs.LOG,
    )


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
