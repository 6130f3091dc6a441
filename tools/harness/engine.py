"""
buildah and podman, with a storage of their own and a stand-in for Debian's image.

No registry and no running engine is needed: the stand-in is what mmdebstrap makes
of the same Debian release, under the name that the Dockerfile asks for.
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
from tools.bcc.chroot import machine_settings
from tools.harness.serving import LISTEN, Exporter, serving
from tools.vm.apt import machine_mirror


BASE = "docker.io/library/debian:trixie-slim"
NOT_IN_SLIM = ("doc", "info", "locale", "man")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SETTINGS = """
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=8192:8192"]
"""
"""podman would raise both, which not every machine allows."""


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run *command*; what it says is in the test's report, what it prints returned."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    print(done.stdout[-10_000:], done.stderr[-10_000:])
    assert 0 == done.returncode, command
    return done.stdout


@dataclass(frozen=True, slots=True)
class Engine:
    """buildah and podman for *architecture*, with all that they keep in *folder*."""

    folder: Path
    architecture: str

    @property
    def options(self) -> tuple[str, ...]:
        places = (f"--root={self.folder}/storage", f"--runroot={self.folder}/state")
        return (*places, "--storage-driver=overlay")

    @property
    def platform(self) -> str:
        return f"--platform=linux/{self.architecture}"

    @property
    def podman(self) -> tuple[str, ...]:
        ways = ("--runtime=runc", "--cgroup-manager=cgroupfs")
        return ("podman", *self.options, *ways)

    @property
    def env(self) -> dict[str, str]:
        settings = self.folder / "containers.conf"
        settings.write_text(SETTINGS)
        return {"CONTAINERS_CONF": str(settings)}

    def import_base(self, archive: Path) -> None:
        """Make the stand-in of *archive*, a root filesystem in a tar file."""
        buildah = ("buildah", *self.options)
        container = run(*buildah, "from", self.platform, "scratch").strip()
        run(*buildah, "add", "--quiet", container, archive, "/")
        run(*buildah, "commit", "--quiet", "--rm", container, BASE)

    def build(self) -> None:
        """`make image`, with what replaces a registry and trusts what we trust."""
        pip = self.folder / "pip.conf"
        pip.write_text("[global]\ncert = /mnt/certificates\n")
        arguments = (
            *("--isolation=chroot", "--pull-never", self.platform),
            f"--volume={CERTIFICATES}:/mnt/certificates:ro",
            f"--volume={pip}:/etc/pip.conf:ro",
        )
        engine = f"ENGINE=buildah {' '.join(self.options)}"
        run("make", "-C", CHECKOUT, "image", engine, f"ARGS={' '.join(arguments)}")

    def inspect(self, image: str) -> dict[str, Any]:
        """Return what the engine knows of *image*."""
        found = json.loads(run(*self.podman, "image", "inspect", image))
        return dict(found[0])

    def output(
        self, image: str, program: str, *arguments: str, flags: Sequence[str] = ()
    ) -> str:
        """Return what *program* prints in a container of *image* with *flags*."""
        where = ("--rm", "--network=host", "--no-healthcheck")
        command = (*self.podman, "run", *where, *flags, f"--entrypoint={program}")
        return run(*command, self.platform, image, *arguments, env=self.env)

    def execute(self, *command: str) -> str:
        """Return what *command* prints in the container that was started last."""
        return run(*self.podman, "exec", "--latest", *command)

    def newest_pid(self) -> int:
        """Return the host's number of that container's process."""
        told = run(*self.podman, "inspect", "--latest", "--format={{.State.Pid}}")
        return int(told)

    @contextmanager
    def serving(
        self, image: str, flags: Sequence[str], log: Path, *arguments: str
    ) -> Iterator[Exporter]:
        """Start a container of *image* as *flags* say; it listens on a free port."""
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
        """Start the one pod of *manifest*, whose one container has the pod's name."""
        play = (*self.podman, "play", "kube")
        where = ("--network=host", f"--seccomp-profile-root={profiles}")
        try:
            said = run(*play, *where, manifest, env=self.env)
            _, container = said.rstrip().rsplit("\n", 1)
            logs = (*self.podman, "logs")
            follow = Path("--follow")
            with serving(log, container, script=follow, prefix=logs) as started:
                yield started
        finally:
            run(*play, "--down", manifest)


def make_base(archive: Path, architecture: str) -> None:
    """Write the root filesystem of Debian trixie, less what a slim image lacks."""
    left_out = (f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_IN_SLIM)
    settings = (f"--aptopt={setting}" for setting in machine_settings())
    made = archive.with_suffix(".new.tar")
    source = machine_mirror().source("trixie")
    what = (f"--architecture={architecture}", "--variant=minbase")
    how = ("--mode=root", *what, *left_out, *settings)
    run("mmdebstrap", *how, "trixie", made, source)
    made.rename(archive)
