"""Gauges of the limits in /proc/sys/fs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.collectors.limits import LIMITS, LimitsCollector
from fanotify_exporter.metrics.registry import Registry
from tools.harness.exposition import sample_value


VALUES = {
    "fanotify/max_user_groups": "128\n",
    "fanotify/max_user_marks": "205039\n",
    "fanotify/max_queued_events": "16384\n",
    "fanotify/watchdog_timeout": "0\n",
    "inotify/max_user_instances": "256\n",
    "inotify/max_user_watches": "64000\n",
    "inotify/max_queued_events": "8192\n",
}
HERE = Path("/proc/sys/fs")


def proc_with(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = path / "sys/fs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def values(proc: Path) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in LimitsCollector(proc).collect()
        for sample in family.samples
    }


def test_each_limit_is_a_gauge(tmp_path: Path) -> None:
    """The number in each file is the value of one series without labels."""
    assert {
        "fanotify_user_groups_limit": 128,
        "fanotify_user_marks_limit": 205039,
        "fanotify_queued_events_limit": 16384,
        "fanotify_watchdog_timeout_seconds": 0,
        "inotify_user_instances_limit": 256,
        "inotify_user_watches_limit": 64000,
        "inotify_queued_events_limit": 8192,
    } == values(proc_with(tmp_path, VALUES))


def test_older_kernel(tmp_path: Path) -> None:
    """A limit that the kernel lacks has no series, instead of a 0."""
    names = "fanotify/max_user_groups", "fanotify/max_user_marks"
    files = {name: VALUES[name] for name in names}
    assert {
        "fanotify_user_groups_limit": 128,
        "fanotify_user_marks_limit": 205039,
    } == values(proc_with(tmp_path, files))


def test_inotify_without_limits_of_fanotify(tmp_path: Path) -> None:
    """A kernel before Linux 5.13 has the limits of inotify."""
    files = {name: text for name, text in VALUES.items() if name.startswith("inotify")}
    assert {
        "inotify_user_instances_limit": 256,
        "inotify_user_watches_limit": 64000,
        "inotify_queued_events_limit": 8192,
    } == values(proc_with(tmp_path, files))


def test_no_limits_at_all(tmp_path: Path) -> None:
    """Without the files the collector succeeds and has no series."""
    assert {} == values(tmp_path)


@pytest.mark.parametrize("text", ["", "many\n", "-1\n", "1 2\n", "0x10\n"])
def test_garbled(tmp_path: Path, text: str) -> None:
    """A file without a number fails the collector with an error that names the file."""
    proc = proc_with(tmp_path, VALUES | {"fanotify/max_user_marks": text})
    with pytest.raises(ValueError, match="sys/fs/fanotify/max_user_marks holds"):
        list(LimitsCollector(proc).collect())
    registry = Registry({"limits": LimitsCollector(proc)})
    labels = {"collector": "limits"}
    assert 0 == sample_value(registry, "fanotify_exporter_collector_success", labels)
    assert sample_value(registry, "fanotify_user_groups_limit") is None


def test_this_machine() -> None:
    """The limits of the running kernel are exported."""
    shown = values(Path("/proc"))
    names = [name for name in LIMITS if (HERE / name).exists()]
    assert {LIMITS[name][0] for name in names} == shown.keys()
