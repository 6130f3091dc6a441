"""What must hold of a checkout before it is released; each problem is one line."""

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
from tools.manifests import __main__
from tools.manifests.__main__ import KUBERNETES
from tools.release.errors import ReleaseError


CHANGELOG = CHECKOUT / "CHANGELOG.md"


def git(*arguments: str) -> str:
    """Return what git says of the checkout; raises `ReleaseError` with its reason."""
    done = subprocess.run(
        ["git", "-C", CHECKOUT, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def problems() -> Iterator[str]:
    """Yield what keeps this checkout from being released."""
    yield from changes()
    yield from changelog(CHANGELOG.read_text())
    yield from images(f"fanotify-exporter:{__version__}")
    yield from tag(f"v{__version__}")
    for command, written in generated().items():
        yield from stale(command, written)


def changes() -> Iterator[str]:
    """Everything is committed, or it would not be in the tag."""
    if changed := git("status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        yield f"not committed: {names}{more}. Commit or remove them"


def changelog(text: str) -> Iterator[str]:
    """Nothing is unreleased, and this version has its day."""
    (heading,) = re.findall(r"^## (.*)", text, re.MULTILINE)[:1] or ["nothing"]
    if not re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", heading):
        yield (
            f'CHANGELOG.md begins with "{heading}", not with "{__version__} - " '
            "and a day. The version is that of exporter/__init__.py"
        )


def images(name: str) -> Iterator[str]:
    """README and the DaemonSet run the image of this version."""
    for path in (CHECKOUT / "README.md", KUBERNETES / "daemonset.yml"):
        if not re.search(rf"\b{re.escape(name)}$", path.read_text(), re.MULTILINE):
            yield f"{path.relative_to(CHECKOUT)} has no image {name}. Write it there"


def tag(name: str) -> Iterator[str]:
    """HEAD is what the tag of this version means."""
    if name not in git("tag", "--points-at", "HEAD").splitlines():
        elsewhere = git("tag", "--list", name).strip()
        yield (
            f"{name} is another commit. Check it out, or raise exporter.__version__"
            if elsewhere
            else f"HEAD has no tag {name}. Tag it: git tag -a {name} -m {name}"
        )


def generated() -> dict[str, Mapping[Path, str]]:
    """Return what each target that writes files would write."""
    return {
        "make docs": pages.render(),
        "make dashboard": {dashboard.PATH: dashboard.render()},
        "make manifests": {__main__.WRITTEN: __main__.render()},
        "make golden": golden.render(),
    }


def stale(command: str, written: Mapping[Path, str]) -> Iterator[str]:
    """Each committed file is what *command* writes."""
    for path, text in written.items():
        if path.read_text().splitlines() != text.splitlines():
            yield f"{path.relative_to(CHECKOUT)} is stale. Write it anew: {command}"
