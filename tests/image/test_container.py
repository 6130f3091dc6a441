"""The container, started as in README.md, counts the calls of the host."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import CHECKOUT
from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.engine import Engine
from tools.harness.listeners import as_user, listening
from tools.harness.processes import poll
from tools.harness.readme_container import capabilities, run_flags
from tools.harness.serving import Exporter


# User ID of the serving process, from the Dockerfile.
SERVES_AS = 10301
# CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, linux/capability.h.
RETAINED = 1 << 2 | 1 << 19

TO_LOAD = {"CAP_BPF", "CAP_PERFMON"}
TO_CHANGE_USER = {"CAP_SETUID", "CAP_SETGID"}
TO_SEE_GROUPS = {"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"}

LAST_SCAN = "fanotify_exporter_groups_last_scan_timestamp_seconds"
COMMAND = ("fanotify-exporter", "healthcheck", "--web.listen-address")

# Prints the errno of system calls that could change the host.
REFUSED = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
for call, arguments in (
    (libc.ptrace, (16, 1, 0, 0)),
    (libc.process_vm_writev, (1, 0, 0, 0, 0, 0)),
    (libc.mount, (b"none", b"/mnt", b"tmpfs", 0, 0)),
    (libc.unshare, (0x10000000,)),
    (libc.setns, (0, 0)),
    (libc.chroot, (b"/",)),
):
    ctypes.set_errno(0)
    assert call(*arguments) == -1, call.__name__
    print(call.__name__, errno.errorcode[ctypes.get_errno()])
"""


def flags_without(capability: str) -> list[str]:
    """Return the flags in README.md without *capability*."""
    added = f"--cap-add={capability.removeprefix('CAP_')}"
    return [flag for flag in run_flags() if flag != added]


@pytest.fixture
def container(engine: Engine, image: str, tmp_path: Path) -> Iterator[Exporter]:
    with engine.serving(image, run_flags(), tmp_path / "container.log") as started:
        yield started


def test_counts_the_hosts_calls(container: Exporter, tmp_path: Path) -> None:
    """23 failing and 5 successful calls outside of the container are counted."""
    comm = f"e2e-im-{os.getpid()}"
    failing = Calls(comm.encode(), 0x1, 0x20, 23, errno.EBADF)
    working = Calls(comm.encode(), 0x1, 0x8, 5)
    caller.make(tmp_path, failing, working)
    key = (comm, "add", "inode", "FAN_MARK_ADD")
    expected = {(*key, "FAN_OPEN"): 23, (*key, "FAN_CLOSE_WRITE"): 5}
    assert expected == container.calls(comm, 28)


def test_sees_groups_of_any_user(container: Exporter) -> None:
    """A group of another user on the host is counted once."""
    lines = "group = init(FID); mark(group, ADD, OPEN, '/')"
    with listening(lines, prefix=as_user(65534)) as listener:
        assert [1] == poll(
            lambda: [
                sample.value
                for sample in container.samples("fanotify_groups")
                if sample.labels["comm"] == listener.comm
            ],
            lambda got: got == [1],
        )
    successes = container.samples("fanotify_exporter_collector_success")
    assert {1} == {sample.value for sample in successes}


def test_serves_as_a_user_that_can_do_little(
    engine: Engine, container: Exporter
) -> None:
    """
    The serving process is not root, and has only the capabilities to see groups.

    The bounding set stays the same, because lowering it needs CAP_SETPCAP. With
    no_new_privs, the bounding set has no effect.
    """
    assert container.process.process.poll() is None
    status = Path(f"/proc/{engine.newest_pid()}/status").read_text()
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "\t".join([str(SERVES_AS)] * 4) == lines["Uid"]
    sets = ("CapEff", "CapPrm", "CapInh", "CapAmb")
    assert [RETAINED, RETAINED, 0, 0] == [int(lines[name], 16) for name in sets]
    assert ("1", "2") == (lines["NoNewPrivs"], lines["Seccomp"])


def test_sigterm_ends_the_container(container: Exporter) -> None:
    """The container ends with status 0 after SIGTERM."""
    status, _ = container.stop(signal.SIGTERM)
    assert 0 == status


@pytest.mark.parametrize("name", sorted(TO_LOAD | TO_CHANGE_USER))
def test_each_capability_is_needed_to_start(
    engine: Engine, image: str, name: str
) -> None:
    """Without one of these capabilities, the exporter fails with one error line."""
    flags = flags_without(name)
    command = (*engine.podman, "run", "--rm", "--no-healthcheck", *flags, image)
    done = subprocess.run(
        [*command, "--web.listen-address=127.0.0.1:0"],
        capture_output=True,
        text=True,
        env={**os.environ, **engine.env},
        cwd=CHECKOUT,
        check=False,
    )
    assert (1 if name in TO_LOAD else 2) == done.returncode
    assert "fanotify-exporter: " in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", sorted(TO_SEE_GROUPS))
def test_each_capability_is_needed_for_groups(
    engine: Engine, image: str, name: str, tmp_path: Path
) -> None:
    """Without one of these capabilities, a full scan misses groups of other users."""
    flags = flags_without(name)
    log = tmp_path / "container.log"
    lines = "group = init(FID); mark(group, ADD, OPEN, '/')"
    with (
        listening(lines, prefix=as_user(65534)) as listener,
        engine.serving(image, flags, log) as started,
    ):
        assert poll(lambda: started.samples(LAST_SCAN))
        groups = started.samples("fanotify_groups")
    assert listener.comm not in {sample.labels["comm"] for sample in groups}


def test_no_other_capability_is_documented() -> None:
    """The command in README.md adds no other capability."""
    assert TO_LOAD | TO_CHANGE_USER | TO_SEE_GROUPS == capabilities()


def test_seccomp_refuses_the_rest(engine: Engine, image: str) -> None:
    """System calls that could change the host fail with ENOSYS in the container."""
    flags = [flag for flag in run_flags() if not flag.startswith("--network")]
    output = engine.output(image, "python3", "-c", REFUSED, flags=flags)
    assert 6 * ["ENOSYS"] == [line.split()[1] for line in output.splitlines()]


def test_health_check(engine: Engine, container: Exporter) -> None:
    """The image's health check works in the container, and fails without a server."""
    (address,) = container.addresses
    engine.execute(*COMMAND, address)
    with pytest.raises(AssertionError):
        engine.execute(*COMMAND, "127.0.0.1:1")
