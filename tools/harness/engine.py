"""
A container engine for tests: buildah and podman, with a storage of their own.

Neither a registry nor a running engine is needed. A stand-in for Debian's image is made
by mmdebstrap of the same Debian release, and stored under the name that the Dockerfile
gives its base image.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import CHECKOUT
from tools.debian.chroot import machine_settings
from tools.harness.serving import LISTEN, Exporter, serving
from tools.vm.apt import machine_mirror


BASE = "docker.io/library/debian:trixie-slim"
# The folders of /usr/share that Debian's slim images leave out.
NOT_IN_SLIM = ("doc", "info", "locale", "man")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# podman raises both limits by default, and fails where the machine forbids that.
SETTINGS = """
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=8192:8192"]
"""


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """
    Run *command* and return its standard output.

    Standard output and standard error both go to the report of the test.
    """
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    print(done.stdout[-10_000:], done.stderr[-10_000:])
    assert 0 == done.returncode, command
    return done.stdout


@dataclass(frozen=True, slots=True)
class Engine:
    """
    buildah and podman for one architecture.

    Attributes:
        storage: folder of images and containers, on a file system that can hold the
            upper layer of an overlay.
        state: folder of files that last until the next boot. Its path has at most 44
            characters: podman adds a name, and refuses more than 50.
        architecture: Debian's name of the architecture.
    """

    storage: Path
    state: Path
    architecture: str

    @property
    def options(self) -> tuple[str, ...]:
        places = (f"--root={self.storage}/images", f"--runroot={self.state}/run")
        return (*places, "--storage-driver=overlay")

    @property
    def platform(self) -> str:
        return f"--platform=linux/{self.architecture}"

    @property
    def podman(self) -> tuple[str, ...]:
        options = ("--runtime=runc", "--cgroup-manager=cgroupfs")
        return ("podman", *self.options, *options)

    @property
    def env(self) -> dict[str, str]:
        settings = self.state / "containers.conf"
        settings.write_text(SETTINGS)
        return {"CONTAINERS_CONF": str(settings)}

    def import_base(self, archive: Path) -> None:
        """Store the root file system in the tar file *archive* as the base image."""
        buildah = ("buildah", *self.options)
        container = run(*buildah, "from", self.platform, "scratch").strip()
        run(*buildah, "add", "--quiet", container, archive, "/")
        run(*buildah, "commit", "--quiet", "--rm", container, BASE)

    def build(self) -> None:
        """
        Run `make image` with the stand-in for the base image.

        The certificates that this machine trusts and a setting for pip are mounted.
        """
        pip = self.state / "pip.conf"
        pip.write_text("[global]\ncert = /mnt/certificates\n")
        arguments = (
            *("--isolation=chroot", "--pull-never", self.platform),
            f"--volume={CERTIFICATES}:/mnt/certificates:ro",
            f"--volume={pip}:/etc/pip.conf:ro",
        )
        engine = f"ENGINE=buildah {' '.join(self.options)}"
        run("make", "-C", CHECKOUT, "image", engine, f"ARGS={' '.join(arguments)}")

    def inspect(self, image: str) -> dict[str, Any]:
        """Return podman's description of *image*."""
        found = json.loads(run(*self.podman, "image", "inspect", image))
        return dict(found[0])

    def output(
        self, image: str, program: str, *arguments: str, flags: Sequence[str] = ()
    ) -> str:
        """Return the output of *program* in a new container of *image* with *flags*."""
        options = ("--rm", "--network=host", "--no-healthcheck")
        command = (*self.podman, "run", *options, *flags, f"--entrypoint={program}")
        return run(*command, self.platform, image, *arguments, env=self.env)

    def execute(self, *command: str) -> str:
        """Return the output of *command* in the container that was started last."""
        return run(*self.podman, "exec", "--latest", *command)

    def newest_pid(self) -> int:
        """Return the process ID, on the host, of the container started last."""
        return int(run(*self.podman, "inspect", "--latest", "--format={{.State.Pid}}"))

    @contextmanager
    def serving(
        self, image: str, flags: Sequence[str], log: Path, *arguments: str
    ) -> Iterator[Exporter]:
        """Run a container of *image* with *flags*, listening on a free port."""
        name = f"fanotify-exporter-{secrets.token_hex(4)}"
        command = (*self.podman, "run", "--no-healthcheck", f"--name={name}", *flags)
        try:
            with serving(
                log,
                *(LISTEN, *arguments),
                script=Path(image),
                prefix=command,
                env=self.env,
                cwd=CHECKOUT,
            ) as started:
                yield started
        finally:
            run(*self.podman, "rm", "--force", "--time=0", name)

    @contextmanager
    def playing(self, manifest: Path, profiles: Path, log: Path) -> Iterator[Exporter]:
        """Run the only pod of *manifest*, and read the log of its only container."""
        play = (*self.podman, "play", "kube")
        options = ("--network=host", f"--seccomp-profile-root={profiles}")
        try:
            output = run(*play, *options, manifest, env=self.env)
            _, container = output.rstrip().rsplit("\n", 1)
            logs = (*self.podman, "logs")
            follow = Path("--follow")
            with serving(log, container, script=follow, prefix=logs) as started:
                yield started
        finally:
            run(*play, "--down", manifest)


def make_base(archive: Path, architecture: str) -> None:
    """Write Debian trixie's root file system, without NOT_IN_SLIM, to *archive*."""
    left_out = (f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_IN_SLIM)
    settings = (f"--aptopt={setting}" for setting in machine_settings())
    made = archive.with_suffix(".new.tar")
    source = machine_mirror().source("trixie")
    options = (f"--architecture={architecture}", "--variant=minbase", "--mode=root")
    run("mmdebstrap", *options, *left_out, *settings, "trixie", made, source)
    made.rename(archive)
