"""
A permission listener that lets every open(2) and execve(2) in the guest wait.

The services start before, and are asked for longer than systemd's watchdog waits. The
test opens no file in that time either. It installs units, so it runs in the guests of
`make test-systemd` only.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from ssl import SSLContext
from threading import Thread

import pytest

from tools import CHECKOUT
from tools.harness.certificates import make_certificates, trusting
from tools.harness.listeners import listening
from tools.harness.processes import poll
from tools.harness.serving import samples
from tools.harness.web_server import basic, request, status


if Path("/proc/1/comm").read_text() != "systemd\n" or not Path("/run/guest").exists():
    pytest.skip("not in a guest of systemd", allow_module_level=True)

STALL_SECONDS = 90
WATCHDOG_SECONDS = 20
MAX_SECONDS = 1.0
# On an emulated processor of a busy machine one answer in a hundred may take longer. An
# answer that waits for the listener takes as long as the stall.
MAX_EXCEPTION_SECONDS = 5.0
PATHS = ("/metrics", "/", "/-/healthy", "/-/ready")

UNIT = CHECKOUT / "deploy/systemd/fanotify-exporter.service"
UNITS = Path("/run/systemd/system")
CONFIG_FOLDER = Path("/etc/stall")
CONFIG = """\
tls_server_config: {cert_file: server.pem, key_file: server.key}
basic_auth_users: {alice: %s}
"""
# Hashes of the passwords "secret" and "other".
SECRET = "$2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i"
OTHER = "$2b$04$VK1M5Q73v/sABDrwDq9mTej8el13DQtolaHdc4UFOpPtq6XBzQx7m"

# The guest's root and the installation are two file systems. The alarm ends the
# listener, and so every wait, if the test does not.
LISTENER = f"""
import signal

signal.alarm({STALL_SECONDS + 60})
group = init(CONTENT)
for path in ("/opt/fanotify-exporter", "/"):
    mark(group, FILESYSTEM | ADD, OPEN_PERM | OPEN_EXEC_PERM, path)
"""


@dataclass(frozen=True)
class Service:
    """A service of its own unit and port. A cold one has not been asked before."""

    name: str
    port: int
    context: SSLContext | None = None

    def install(self) -> None:
        """Install and start the project's unit with other settings."""
        listen = f"FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:{self.port}"
        config = f"FANOTIFY_EXPORTER_WEB_CONFIG_FILE={CONFIG_FOLDER}/web.yml"
        settings = f"Environment={listen} {config if self.context else ''}"
        unit = UNIT.read_text()
        for old, new in (
            ("EnvironmentFile=-/etc/default/fanotify-exporter", settings),
            ("WatchdogSec=60", f"WatchdogSec={WATCHDOG_SECONDS}"),
        ):
            assert 1 == unit.count(old)
            unit = unit.replace(old, new)
        (UNITS / f"{self.name}.service").write_text(unit)
        systemctl("daemon-reload")
        systemctl("start", self.name)

    def state(self) -> str:
        """Return the pid and the number of restarts."""
        properties = "--property=MainPID,NRestarts,ActiveState"
        return systemctl("show", properties, self.name)

    def ask(self, path: str) -> tuple[float, int, bytes]:
        """Make a request; return its seconds, its status and the body."""
        began = time.monotonic()
        answer = request(
            self.port, path, context=self.context, Authorization=basic("secret")
        )
        return time.monotonic() - began, answer.status, answer.body


def systemctl(*arguments: str) -> str:
    return subprocess.run(
        ["systemctl", *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.fixture
def services() -> Iterator[list[Service]]:
    """Start four services: asked before or not, with plain HTTP or with TLS."""
    CONFIG_FOLDER.mkdir()
    make_certificates(CONFIG_FOLDER)
    (CONFIG_FOLDER / "web.yml").write_text(CONFIG % SECRET)
    (CONFIG_FOLDER / "next.yml").write_text(CONFIG % OTHER)
    context = trusting(CONFIG_FOLDER)
    started = [
        Service("stall-warm-plain", 10401),
        Service("stall-warm-tls", 10402, context),
        Service("stall-cold-plain", 10403),
        Service("stall-cold-tls", 10404, context),
    ]
    for each in started:
        each.install()
    yield started
    for each in started:
        systemctl("stop", each.name)
        (UNITS / f"{each.name}.service").unlink()
    systemctl("daemon-reload")
    shutil.rmtree(CONFIG_FOLDER)


@dataclass
class Answers:
    """
    What clients got in the stall.

    Attributes:
        seconds: the time of each answer, by service and path.
        statuses: each status with the right password.
        refusals: each status without it.
        scrapes: the last scrape of each service.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)
    refusals: set[int] = field(default_factory=set)
    scrapes: dict[str, bytes] = field(default_factory=dict)

    def ask(self, service: Service) -> None:
        for path in PATHS:
            seconds, answered, body = service.ask(path)
            self.seconds.setdefault(f"{service.name} {path}", []).append(seconds)
            self.statuses.add(answered)
            self.scrapes |= {service.name: body} if path == "/metrics" else {}
        if service.context:
            for wrong in ("other", ""):
                self.refusals.add(status(service.port, service.context, wrong))

    def ages(self, service: Service) -> list[float]:
        """Return the age of the web configuration; nothing without one."""
        text = self.scrapes[service.name].decode()
        found = samples(text, "fanotify_exporter_web_config_age_seconds")
        return [sample.value for sample in found]


def test_every_open_waits(
    services: list[Service], capsys: pytest.CaptureFixture[str]
) -> None:
    """Scrapes take less than a second for 90 s, and no watchdog restarts a service."""
    secure = [each for each in services if each.context]
    for each in services[:2]:
        assert [200] * 4 == [each.ask(path)[1] for path in PATHS]
    states = [each.state() for each in services]
    answers = Answers()
    opening = Thread(target=Path("/etc/hostname").read_text)

    with listening(LISTENER):
        ends = time.monotonic() + STALL_SECONDS
        opening.start()
        # A rename opens no file.
        (CONFIG_FOLDER / "next.yml").rename(CONFIG_FOLDER / "web.yml")
        while time.monotonic() < ends:
            for each in services:
                answers.ask(each)
            time.sleep(1)
        assert opening.is_alive()

    began = time.monotonic()
    for each in secure:
        changed = partial(status, each.port, each.context, "other")
        assert 200 == poll(changed, lambda found: found == 200, seconds=10)
    assert time.monotonic() - began < 3
    opening.join(10)
    with capsys.disabled():
        for name, seconds in answers.seconds.items():
            print(f"\n{name}: {len(seconds)} answers, slowest {max(seconds):.3f} s")
    assert {200} == answers.statuses
    assert {401} == answers.refusals
    seconds = sorted(itertools.chain(*answers.seconds.values()))
    assert seconds[-1] < MAX_EXCEPTION_SECONDS
    assert seconds[len(seconds) * 99 // 100] < MAX_SECONDS
    for each in services:
        ages = answers.ages(each)
        assert len(ages) == bool(each.context)
        assert all(age > STALL_SECONDS - 10 for age in ages)
    assert states == [each.state() for each in services]
