"""
The service and the socket under systemd as PID 1.

The tests depend on their order. They install units, so they run in the guests of
`make test-systemd` only.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import signal
import subprocess
from pathlib import Path
from threading import Event, Thread

import pytest

from tools.harness import caller, readme_systemd
from tools.harness.bpf_objects import held_by, still_there
from tools.harness.caller import Calls
from tools.harness.listeners import listening
from tools.harness.processes import poll
from tools.harness.serving import request, samples


if Path("/proc/1/comm").read_text() != "systemd\n" or not Path("/run/guest").exists():
    pytest.skip("not in a guest of systemd", allow_module_level=True)

SERVICE = "fanotify-exporter.service"
ADDRESS = "127.0.0.1:10301"
# Sets of pinned programs: calls, permission waits, and the iterators.
SETS = 3
# CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, linux/capability.h.
CAPABILITIES = 1 << 2 | 1 << 19
# CAP_PERFMON and CAP_BPF.
LOADING = 1 << 38 | 1 << 39


def systemctl(*arguments: str) -> str:
    return subprocess.run(
        ["systemctl", *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def show(name: str) -> str:
    """Return a property of the service."""
    return systemctl("show", "--value", f"--property={name}", SERVICE).strip()


def values(name: str, comm: str) -> list[float]:
    """Scrape, and return the values of the series *name* of *comm*."""
    found = samples(request(ADDRESS, "/metrics").body.decode(), name)
    return [sample.value for sample in found if sample.labels["comm"] == comm]


def status_of_process() -> dict[str, str]:
    """Return the fields of /proc/PID/status of the service's main process."""
    text = Path(f"/proc/{show('MainPID')}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines())


def failing(comm: str, times: int) -> Calls:
    return Calls(comm.encode(), 0x180, 0, times, errno.EBADF)


def total(comm: str, expected: int) -> float:
    """Scrape until *comm* has at least *expected* calls; return their number."""
    return poll(
        lambda: sum(values("fanotify_mark_calls_total", comm)),
        lambda made: made >= expected,
    )


def test_start_returns_when_scrapes_are_answered() -> None:
    """The scrape in the steps of README.md needs no wait after the start."""
    output = readme_systemd.follow("start")
    assert 'hook="fentry:do_fanotify_mark",probe="fanotify_mark"} 1.0' in output
    text = "Counting by fentry, listening on 0.0.0.0:10301, [::]:10301"
    assert text == show("StatusText")
    assert "active" == show("ActiveState")
    assert 200 == request(ADDRESS, "/-/ready").status


def test_counts(tmp_path: Path) -> None:
    """The confined service counts every call, and the groups of root."""
    caller.make(tmp_path, failing("sd-count", 23), Calls(b"sd-count", 0x1, 0x20, 7))
    assert 30 == total("sd-count", 30)
    with listening("init()") as listener:
        assert [1] == poll(lambda: values("fanotify_groups", listener.comm))


def test_is_confined() -> None:
    """The service has its own user, a seccomp filter and two capabilities."""
    status = status_of_process()
    uids = {int(uid) for uid in status["Uid"].split()}
    assert len(uids) == 1
    assert 61184 <= uids.pop() <= 65519  # systemd.exec(5), DynamicUser=
    sets = ("CapEff", "CapPrm", "CapInh", "CapAmb")
    assert [CAPABILITIES] * 2 + [0] * 2 == [int(status[name], 16) for name in sets]
    # Lowering the bounding set needs CAP_SETPCAP. no_new_privs makes the set void.
    assert CAPABILITIES | LOADING == int(status["CapBnd"], 16)
    assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])
    journal = subprocess.check_output(["journalctl", "-u", SERVICE], text=True)
    assert "dropped privileges" in journal
    assert "without a seccomp filter" not in journal


def test_permission_waits() -> None:
    """With the unit's capabilities programs count, and the iterator lists tasks."""
    journal = subprocess.check_output(["journalctl", "-u", SERVICE], text=True)
    assert "msg=attached programs=permission hook=fentry" in journal
    assert "that wait for a permission listener are" not in journal


def test_memory_of_the_start() -> None:
    """The kernel takes no memory back during the start, and a third is left."""
    group = Path("/sys/fs/cgroup/system.slice", SERVICE)
    limit = int((group / "memory.max").read_text())
    peak = int((group / "memory.peak").read_text())
    events = (group / "memory.events").read_text()
    print(f"peak {peak >> 20} MiB of {limit >> 20} MiB, {events.split()}")
    assert 256 << 20 == limit
    assert "max 0\n" in events
    assert peak <= limit * 2 // 3


def test_reads_files_of_root() -> None:
    """A web configuration that only root may read works, as README.md says."""
    config = Path("/etc/fanotify-exporter.yml")
    # The hash of "secret".
    hashed = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
    config.write_text(f"basic_auth_users: {{scraper: {hashed}}}\n")
    config.chmod(0o600)
    defaults = Path("/etc/default/fanotify-exporter")
    defaults.write_text(f"FANOTIFY_EXPORTER_WEB_CONFIG_FILE={config}\n")
    systemctl("restart", SERVICE)
    assert 401 == request(ADDRESS, "/metrics").status
    defaults.unlink()
    systemctl("restart", SERVICE)
    assert 200 == request(ADDRESS, "/metrics").status


def after_one_restart() -> tuple[str, str]:
    """Wait until the service runs again; return the number of restarts, its state."""
    return poll(
        lambda: (show("NRestarts"), show("ActiveState")),
        lambda now: now == ("1", "active"),
        # RestartSec=15, the watchdog, and a start in a busy guest.
        seconds=120,
    )


def test_watchdog_restarts_a_hanging_service() -> None:
    """A stopped process is restarted by the watchdog; a working one is not."""
    override = Path(f"/run/systemd/system/{SERVICE}.d/watchdog.conf")
    override.parent.mkdir()
    override.write_text("[Service]\nWatchdogSec=5\n")
    systemctl("daemon-reload")
    systemctl("restart", SERVICE)
    before = show("WatchdogTimestampMonotonic")
    poll(lambda: show("WatchdogTimestampMonotonic"), lambda now: now != before)
    assert "0" == show("NRestarts")

    hanging = show("MainPID")
    os.kill(int(hanging), signal.SIGSTOP)
    assert ("1", "active") == after_one_restart()
    assert hanging != show("MainPID")
    log = subprocess.check_output(["journalctl", "-u", SERVICE], text=True)
    assert f"Killing process {hanging}" in log
    assert 200 == request(ADDRESS, "/-/ready").status
    override.unlink()
    systemctl("daemon-reload")
    systemctl("restart", SERVICE)


def test_stop_removes_everything() -> None:
    """A stopped service leaves no program and no map in the kernel."""
    held = held_by(int(show("MainPID")))
    assert {"prog_id", "map_id"} == {kind for kind, _ in held}
    systemctl("stop", SERVICE)
    assert ("inactive", "success") == (show("ActiveState"), show("Result"))
    gone: set[tuple[str, int]] = set()
    assert gone == poll(lambda: still_there(held), lambda left: not left)


def test_restart_loses_nothing(tmp_path: Path) -> None:
    """With pins, every call is counted during restarts and after SIGKILL."""
    readme_systemd.follow("pins")
    made = 0
    done = Event()

    def call_on() -> None:
        nonlocal made
        while not done.is_set():
            caller.make(tmp_path, failing("sd-pins", 100))
            made += 100

    calling = Thread(target=call_on)
    calling.start()
    for _ in range(3):
        systemctl("restart", SERVICE)
    systemctl("kill", "--signal=KILL", SERVICE)
    assert ("1", "active") == after_one_restart()
    done.set()
    calling.join()
    assert made > 500
    assert made == total("sd-pins", made)
    status = status_of_process()
    user = pwd.getpwnam("fanotify-exporter")
    assert {str(user.pw_uid)} == set(status["Uid"].split())
    assert {str(user.pw_gid)} == set(status["Gid"].split())
    assert CAPABILITIES == int(status["CapPrm"], 16)
    journal = subprocess.check_output(["journalctl", "-u", SERVICE], text=True)
    assert 4 * SETS == len(re.findall("adopted pinned programs", journal))


def test_socket_activation() -> None:
    """A request while the service is stopped starts the service and is answered."""
    readme_systemd.follow("socket")
    assert "Counting by fentry, listening on [::]:10301" == show("StatusText")
    assert 200 == request(ADDRESS, "/-/ready").status
    assert 200 == request("[::1]:10301", "/-/ready").status
    systemctl("stop", SERVICE)
    assert "inactive" == show("ActiveState")
    assert 200 == request(ADDRESS, "/metrics").status
    assert "active" == show("ActiveState")


def test_remove() -> None:
    """The last steps of README.md remove the units and the pinned programs."""
    held = held_by(int(show("MainPID")))
    removed = f"removed {SETS} set(s) of pinned programs"
    assert removed in readme_systemd.follow("remove")
    assert [] == list(Path("/etc/systemd/system").rglob("fanotify-exporter*"))
    gone: set[tuple[str, int]] = set()
    assert gone == poll(lambda: still_there(held), lambda left: not left)
    with pytest.raises(ConnectionRefusedError):
        request(ADDRESS, "/-/ready")
