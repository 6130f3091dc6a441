"""A checkout that cannot be released says why, in one line, and builds nothing."""

from __future__ import annotations

import re
import shutil

import pytest

from fanotify_exporter import __version__
from tools.harness.release_clone import TAG, Clone


IMAGE = "fanotify-exporter"
IMAGE_NAMED_IN = ("README.md", "deploy/kubernetes/daemonset.yml")


def test_a_file_that_is_not_committed(clone: Clone) -> None:
    """What is new or changed is named."""
    (clone.folder / "new").touch()
    (clone.folder / "LICENSE").write_text("changed")

    line = "release: not committed: LICENSE, new. Commit or remove them"
    assert line == clone.refusal()


def test_unreleased_changes(clone: Clone) -> None:
    """The changelog must have come to this version."""
    clone.replace("CHANGELOG.md", "## ", "## Unreleased\n\n- more\n\n## ")
    clone.commit()

    said = 'release: CHANGELOG.md begins with "Unreleased", not with '
    assert clone.refusal().startswith(f'{said}"{__version__} - " and a day')


def test_another_version(clone: Clone) -> None:
    """A version that the changelog does not know is refused."""
    clone.replace("exporter/fanotify_exporter/__init__.py", __version__, "99.0.0")
    for name in IMAGE_NAMED_IN:
        clone.replace(name, f"{IMAGE}:{__version__}", f"{IMAGE}:99.0.0")
    clone.commit()
    clone.git("tag", "v99.0.0")

    said = f'release: CHANGELOG.md begins with "{__version__} - 2026-01-02", not with '
    assert clone.refusal().startswith(f'{said}"99.0.0 - " and a day')


@pytest.mark.parametrize("name", IMAGE_NAMED_IN)
def test_another_image(name: str, clone: Clone) -> None:
    """Who follows README, or applies the manifests, runs this version."""
    clone.replace(name, f"{IMAGE}:{__version__}", f"{IMAGE}:{__version__}-old")
    clone.commit()

    said = f"release: {name} has no image {IMAGE}:{__version__}. Write it there"
    assert said == clone.refusal()


def test_no_tag(clone: Clone) -> None:
    """A commit without a tag gets the command that tags it."""
    clone.git("tag", "--delete", TAG)

    line = f"release: HEAD has no tag {TAG}. Tag it: git tag -a {TAG} -m {TAG}"
    assert line == clone.refusal()


def test_the_tag_of_another_commit(clone: Clone) -> None:
    """A version is released once."""
    clone.git("commit", "--quiet", "--allow-empty", "--message=two")

    said = f"release: {TAG} is another commit. "
    assert f"{said}Check it out, or raise exporter.__version__" == clone.refusal()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("docs/metrics.md", "make docs"),
        ("docs/licences.md", "make docs"),
        ("grafana/fanotify.json", "make dashboard"),
        ("tests/unit/golden/metrics.txt", "make golden"),
        (
            "deploy/kubernetes/prometheus-operator/prometheusrules.yml",
            "make manifests",
        ),
    ],
)
def test_a_stale_file(name: str, command: str, clone: Clone) -> None:
    """A generated file that is not what the code writes is named with its target."""
    with (clone.folder / name).open("a") as file:
        file.write("more\n")
    clone.commit()

    assert f"release: {name} is stale. Write it anew: {command}" == clone.refusal()


def test_packages_that_are_not_those_locked(clone: Clone) -> None:
    """What the lock's hashes do not know goes into no release."""
    lock = clone.folder / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))
    clone.commit()

    assert clone.refusal().startswith("release: python pip failed: ")


def test_no_repository(clone: Clone) -> None:
    """Unpacked from an sdist there is nothing to release."""
    shutil.rmtree(clone.folder / ".git")

    assert clone.refusal().startswith("release: fatal: not a git repository")
