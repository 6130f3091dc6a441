"""A release is refused with one line that has the reason, and builds nothing."""

from __future__ import annotations

import re
import shutil

import pytest

from fanotify_exporter import __version__
from tools.harness.release_clone import TAG, Clone


IMAGE = "fanotify-exporter"
IMAGE_NAMED_IN = ("README.md", "deploy/kubernetes/daemonset.yml")


def test_a_file_that_is_not_committed(clone: Clone) -> None:
    """New and changed files are named."""
    (clone.folder / "new").touch()
    (clone.folder / "LICENSE").write_text("changed")

    line = "release: not committed: LICENSE, new. Commit or remove them"
    assert line == clone.refusal()


def test_unreleased_changes(clone: Clone) -> None:
    """The first heading of the changelog must be this version."""
    clone.replace("CHANGELOG.md", "## ", "## Unreleased\n\n- more\n\n## ")
    clone.commit()

    line = 'release: CHANGELOG.md begins with "Unreleased" instead of '
    assert clone.refusal().startswith(f'{line}"{__version__} - YYYY-MM-DD"')


def test_another_version(clone: Clone) -> None:
    """A version without a heading in the changelog is refused."""
    clone.replace("exporter/fanotify_exporter/__init__.py", __version__, "99.0.0")
    for name in IMAGE_NAMED_IN:
        clone.replace(name, f"{IMAGE}:{__version__}", f"{IMAGE}:99.0.0")
    clone.commit()
    clone.git("tag", "v99.0.0")

    line = f'release: CHANGELOG.md begins with "{__version__} - 2026-01-02" instead of '
    assert clone.refusal().startswith(f'{line}"99.0.0 - YYYY-MM-DD"')


@pytest.mark.parametrize("name", IMAGE_NAMED_IN)
def test_another_image(name: str, clone: Clone) -> None:
    """README.md and the DaemonSet must run the image of this version."""
    clone.replace(name, f"{IMAGE}:{__version__}", f"{IMAGE}:{__version__}-old")
    clone.commit()

    image = f"{IMAGE}:{__version__}"
    line = f"release: {name} does not name the image {image}. Change the version there"
    assert line == clone.refusal()


def test_no_tag(clone: Clone) -> None:
    """The refusal of a commit without a tag has the command that makes the tag."""
    clone.git("tag", "--delete", TAG)

    line = f"release: HEAD has no tag {TAG}. Tag it: git tag -a {TAG} -m {TAG}"
    assert line == clone.refusal()


def test_the_tag_of_another_commit(clone: Clone) -> None:
    """A version cannot be released from a second commit."""
    clone.git("commit", "--quiet", "--allow-empty", "--message=two")

    line = f"release: The tag {TAG} is at another commit. Check out the tag, or raise "
    assert clone.refusal().startswith(line)


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
    """A generated file that is out of date is named, with its make target."""
    with (clone.folder / name).open("a") as file:
        file.write("more\n")
    clone.commit()

    assert f"release: {name} is out of date. Run {command}" == clone.refusal()


def test_packages_that_are_not_those_locked(clone: Clone) -> None:
    """A package whose hash differs from the lock is refused."""
    lock = clone.folder / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))
    clone.commit()

    assert clone.refusal().startswith("release: python pip failed: ")


def test_no_repository(clone: Clone) -> None:
    """A folder without a git repository, such as an unpacked sdist, is refused."""
    shutil.rmtree(clone.folder / ".git")

    assert clone.refusal().startswith("release: fatal: not a git repository")
