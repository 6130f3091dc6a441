"""
Packages of other Debian releases and architectures, from a private apt.

Packages are unpacked, not installed. The machine's own package lists stay unchanged.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.vm.errors import AptError


KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Settings of this machine's apt for proxies, certificates and retries.
CARRIED_OVER = ("Acquire::http", "Acquire::Retries", "Acquire::Force")


@dataclass(frozen=True, slots=True)
class Mirror:
    """Addresses of Debian's archive and security updates, and their keyring."""

    archive: str
    security: str
    keyring: Path

    def source(self, suite: str) -> str:
        """Return the line of a sources.list for *suite*."""
        url = self.security if suite.endswith("-security") else self.archive
        return f"deb [signed-by={self.keyring}] {url} {suite} main"


def machine_mirror(url: str | None = None) -> Mirror:
    """
    Return the Debian mirror that this machine's apt uses.

    *url* is another mirror, for a machine that does not run Debian.
    """
    if url:
        archive = url.rstrip("/")
        return Mirror(archive, f"{archive}-security", KEYRING)
    rows = run_command(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(LABEL)\t$(REPO_URI)\t$(SOURCESENTRY)",
            "Created-By: Packages",
            "Origin: Debian",
            "Component: main",
        ]
    )
    return parse_targets(rows)


def parse_targets(rows: str) -> Mirror:
    """Return the mirror described by lines of label, address and sources entry."""
    targets = {row.split("\t")[0]: row.split("\t") for row in rows.splitlines()}
    if "Debian" not in targets:
        raise AptError(
            "apt has no Debian mirror: run apt-get update, or use --mirror URL"
        )
    _, archive, entry = targets["Debian"]
    _, security, _ = targets.get(
        "Debian-Security", ("", f"{archive.rstrip('/')}-security", "")
    )
    return Mirror(archive.rstrip("/"), security.rstrip("/"), _keyring(entry))


def _keyring(entry: str) -> Path:
    """Return the keyring named in the sources file of *entry*, `path:line`."""
    text = Path(entry.rpartition(":")[0]).read_text()
    named = re.search(r"signed-by[:=]\s*(/[^\s\]]+)", text, re.IGNORECASE)
    return Path(named[1]) if named else KEYRING


class PrivateApt:
    """An apt with its own lists, cache and settings below *folder*."""

    def __init__(
        self, folder: Path, mirror: Mirror, suites: Sequence[str], architecture: str
    ) -> None:
        """Write the settings, without a connection to the mirror."""
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        sources = "\n".join(mirror.source(suite) for suite in suites)
        (folder / "sources.list").write_text(f"{sources}\n")
        settings = folder / "apt.conf"
        settings.write_text(_settings(folder, architecture))
        self._environment = os.environ | {"APT_CONFIG": str(settings), "LC_ALL": "C"}

    def update(self) -> None:
        """Fetch the package lists; a list that cannot be fetched is an error."""
        self._run("apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any")

    def dependencies(self, package: str) -> list[str]:
        """Return *package* and all its direct and indirect dependencies."""
        text = self._run("apt-cache", "depends", "--recurse", "--important", package)
        return [line for line in text.splitlines() if line[:1].isalnum()]

    def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Download *packages* and unpack them into the new folder *into*."""
        debs = into.with_name(f"{into.name}.debs")
        tree = into.with_name(f"{into.name}.new")
        for leftover in (debs, tree):
            shutil.rmtree(leftover, ignore_errors=True)
        debs.mkdir(parents=True)
        self._run("apt-get", "download", "-qq", *packages, cwd=debs)
        for deb in sorted(debs.iterdir()):
            self._run("dpkg-deb", "--extract", str(deb), str(tree))
        shutil.rmtree(debs)
        tree.rename(into)

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        return run_command(command, environment=self._environment, cwd=cwd)


def _settings(folder: Path, architecture: str) -> str:
    """Return an apt.conf: all state in *folder*, and the machine's network settings."""
    own = {
        "APT::Architecture": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": folder / "parts",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": folder / "parts",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "parts",
        "Acquire::Retries": "3",
        # The package lists of an archived release have expired.
        "Acquire::Check-Valid-Until": "false",
    }
    lines = [f'{key} "{value}";' for key, value in own.items()]
    lines += [f'APT::Architectures {{ "{architecture}"; }};']
    lines += ['Acquire::Languages { "none"; };']
    return "\n".join(lines) + "\n" + settings_of_machine()


def settings_of_machine() -> str:
    """Return the lines of this machine's apt.conf about proxies and certificates."""
    dump = run_command(["apt-config", "dump"]).splitlines(keepends=True)
    return "".join(line for line in dump if line.startswith(CARRIED_OVER))


def run_command(
    command: Sequence[str],
    *,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """
    Run *command* and return its output.

    Raises:
        AptError: *command* is not installed, or failed; the message is its first error.
    """
    if not shutil.which(command[0]):
        raise AptError(
            f"{command[0]} not found: install the packages listed in tools/packages"
        )
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no error message"]
        errors = [line for line in lines if line.startswith("E: ")] or lines
        raise AptError(errors[0].removeprefix("E: "))
    return done.stdout
