"""The checks before a release. Each problem is one line with its remedy."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from fanotify_exporter import __version__
from grafana import dashboard
from tools import CHECKOUT
from tools.docs import pages
from tools.harness import golden
from tools.manifests import rules
from tools.manifests.rules import KUBERNETES
from tools.release.errors import ReleaseError


CHANGELOG = CHECKOUT / "CHANGELOG.md"


def git(*arguments: str) -> str:
    """
    Return the output of a git command in the checkout.

    Raises:
        ReleaseError: git failed; the message is the line that says why.
    """
    done = subprocess.run(
        ["git", "-C", CHECKOUT, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        # "fatal: not a git repository" stands before a note about file systems.
        fatal = [line for line in lines if line.startswith("fatal: ")]
        raise ReleaseError([*lines, *fatal][-1])
    return done.stdout


def problems() -> Iterator[str]:
    """Yield the reasons why this checkout cannot be released."""
    yield from changes()
    yield from changelog(CHANGELOG.read_text())
    yield from images(f"fanotify-exporter:{__version__}")
    yield from tag(f"v{__version__}")
    for command, written in generated().items():
        yield from stale(command, written)


def changes() -> Iterator[str]:
    """Yield a problem if a file is not committed, and so is missing in the tag."""
    if changed := git("status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        yield f"not committed: {names}{more}. Commit or remove them"


def changelog(text: str) -> Iterator[str]:
    """Yield a problem unless the first heading is this version with its date."""
    (heading,) = re.findall(r"^## (.*)", text, re.MULTILINE)[:1] or [""]
    if not re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", heading):
        yield (
            f'CHANGELOG.md begins with "{heading}" instead of "{__version__} - '
            'YYYY-MM-DD". Change the heading, or the version in '
            "exporter/fanotify_exporter/__init__.py"
        )


def images(name: str) -> Iterator[str]:
    """Yield a problem unless README.md and the DaemonSet have the image *name*."""
    for path in (CHECKOUT / "README.md", KUBERNETES / "daemonset.yml"):
        if not re.search(rf"\b{re.escape(name)}$", path.read_text(), re.MULTILINE):
            file = path.relative_to(CHECKOUT)
            yield f"{file} does not name the image {name}. Change the version there"


def tag(name: str) -> Iterator[str]:
    """Yield a problem unless the tag *name* points at HEAD."""
    if name not in git("tag", "--points-at", "HEAD").splitlines():
        exists = git("tag", "--list", name).strip()
        yield (
            f"The tag {name} is at another commit. Check out the tag, or raise the "
            "version in exporter/fanotify_exporter/__init__.py"
            if exists
            else f"HEAD has no tag {name}. Tag it: git tag -a {name} -m {name}"
        )


def generated() -> dict[str, Mapping[Path, str]]:
    """Return the text that each generated file should have, by make target."""
    return {
        "make docs": pages.render(),
        "make dashboard": {dashboard.PATH: dashboard.render()},
        "make manifests": {rules.WRITTEN: rules.render()},
        "make golden": golden.render(),
    }


def stale(command: str, written: Mapping[Path, str]) -> Iterator[str]:
    """Yield a problem for each file that *command* would change."""
    for path, text in written.items():
        if path.read_text().splitlines() != text.splitlines():
            yield f"{path.relative_to(CHECKOUT)} is out of date. Run {command}"
