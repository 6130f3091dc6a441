"""A checkout that cannot be released gets a line for each problem, and no dist/."""

from __future__ import annotations

import re
import shutil

from fanotify_exporter import __version__
from tools.harness.release_clone import TAG, Clone


IMAGE = f"fanotify-exporter:{__version__}"
IMAGE_NAMED_IN = ("README.md", "deploy/kubernetes/daemonset.yml")
PACKAGE = "exporter/fanotify_exporter/__init__.py"
GENERATED = {
    "docs/licences.md": "make docs",
    "docs/metrics.md": "make docs",
    "grafana/fanotify.json": "make dashboard",
    "deploy/kubernetes/prometheus-operator/prometheusrules.yml": "make manifests",
    "tests/unit/golden/metrics.txt": "make golden",
}


def test_every_problem_has_a_line(clone: Clone) -> None:
    """Each of several problems is reported, with what to do."""
    clone.replace("CHANGELOG.md", "## ", "## Unreleased\n\n- more\n\n## ")
    for name in IMAGE_NAMED_IN:
        clone.replace(name, IMAGE, f"{IMAGE}-old")
    for name in GENERATED:
        with (clone.folder / name).open("a") as file:
            file.write("more\n")
    clone.commit()
    clone.git("tag", "--delete", TAG)
    (clone.folder / "new").touch()
    (clone.folder / "LICENSE").write_text("changed")

    heading = f'"Unreleased" instead of "{__version__} - YYYY-MM-DD"'
    remedy = f"Change the heading, or the version in {PACKAGE}"
    expected = [
        "not committed: LICENSE, new. Commit or remove them",
        f"CHANGELOG.md begins with {heading}. {remedy}",
        *(
            f"{name} does not name the image {IMAGE}. Change the version there"
            for name in IMAGE_NAMED_IN
        ),
        f"HEAD has no tag {TAG}. Tag it: git tag -a {TAG} -m {TAG}",
        *(f"{name} is out of date. Run {make}" for name, make in GENERATED.items()),
    ]
    assert sorted(expected) == sorted(clone.refusals())


def test_a_version_that_was_not_changed_everywhere(clone: Clone) -> None:
    """A new version needs a heading in the changelog, and a tag of its own."""
    clone.replace(PACKAGE, __version__, "99.0.0")
    clone.commit()

    refusals = clone.refusals()
    line = (
        f'CHANGELOG.md begins with "{__version__} - 2026-01-02" instead of "99.0.0 - '
    )
    assert any(each.startswith(line) for each in refusals)
    assert "HEAD has no tag v99.0.0. Tag it: git tag -a v99.0.0 -m v99.0.0" in refusals


def test_the_tag_of_another_commit(clone: Clone) -> None:
    """A version cannot be released from a second commit."""
    clone.git("commit", "--quiet", "--allow-empty", "--message=two")

    (line,) = clone.refusals()
    assert line.startswith(
        f"The tag {TAG} is at another commit. Check out the tag, or "
    )


def test_packages_that_differ_from_the_lock(clone: Clone) -> None:
    """A package whose hash differs from the lock is refused."""
    lock = clone.folder / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))
    clone.commit()

    (line,) = clone.refusals()
    assert line.startswith("python pip failed: ")


def test_no_repository(clone: Clone) -> None:
    """A folder without a git repository, such as an unpacked sdist, is refused."""
    shutil.rmtree(clone.folder / ".git")

    (line,) = clone.refusals()
    assert line.startswith("fatal: not a git repository")
