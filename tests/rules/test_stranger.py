"""A user without privileges raises no page, and one alert of a kind for a host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from fanotify_exporter.bpf.loaded import SYSCALLS
from tools.harness.rules import shipped, timeline
from tools.harness.rules.promtool import query_document
from tools.harness.rules.releases import Release
from tools.harness.rules.scenarios import parse_case
from tools.harness.rules.timeline import Steps


# Names that a user gives to 200 programs; among them those of all listed protectors.
PROTECTORS = ("fapolicyd", "clamonacc", "clamonacc-ddd")
NAMES = (*PROTECTORS, *(f"name{number}" for number in range(197)))
# Alerts that the user can raise, with severities.
RAISED = {
    "FanotifyLimitReached": "warning",
    "InotifyLimitReached": "warning",
    "FanotifyGroupsNearLimit": "warning",
    "FanotifyMarksNearLimit": "warning",
    "InotifyInstancesNearLimit": "warning",
    "InotifyWatchesNearLimit": "warning",
    "FanotifyQueueFilling": "warning",
    "FanotifyEventsDropped": "warning",
    "FanotifyErrorRatioHigh": "warning",
    "FanotifyMarkStorm": "warning",
    "FanotifyMarkStuck": "warning",
    "FanotifyUnknownBits": "info",
    "FanotifyExporterCallsLost": "warning",
    "FanotifyExporterUserMapNearFull": "info",
    "FanotifyExporterDescriptorsLeftOut": "info",
}
# The same by hook. The second counts results that a seccomp filter made up.
RAISED_BY_HOOK = {
    "fentry:do_fanotify_mark": RAISED,
    "tracepoint:syscalls:sys_exit_fanotify_mark": RAISED
    | {"FanotifyProtectionReduced": "warning"},
}
# Minute at which all of them fire: the calls begin in minute 20.
AT = 38
LABELS = {
    "plain": 'comm="{name}",',
    "containers": 'comm="{name}",cgroup="/user.slice/{name}",container_id="",',
    "without_comm": "",
    "without_comm_and_mask": "",
}


def calls(name: str, labels: str, hook: str) -> Iterator[tuple[str, Steps]]:
    """
    Yield the series of one program: calls, and what *hook* counts of a seccomp filter.

    Programs with the name of a protector make more kinds of calls than others: promtool
    evaluates no query over more than 10,000 samples.
    """
    own = labels.format(name=name)
    failed = [
        ("add", "FAN_MARK_ADD|0x8000", "FAN_OPEN", "ENOSPC"),
        ("add", "FAN_MARK_ADD", "FAN_OPEN_PERM", "EINVAL"),
        ("remove", "FAN_MARK_REMOVE", "FAN_OPEN_PERM", "EINVAL"),
    ]
    refused = [("notification", "FAN_REPORT_FID", "EMFILE")]
    succeeded: list[tuple[str, str, str, str]] = []
    if name in PROTECTORS:
        refused.append(("content", "FAN_CLASS_CONTENT", "EPERM"))
        succeeded = [
            ("add", "inode", "FAN_MARK_ADD", "FAN_OPEN"),
            ("remove", "inode", "FAN_MARK_REMOVE", "FAN_OPEN"),
            ("flush", "inode", "FAN_MARK_FLUSH", "0"),
            # In a user namespace and a mount namespace of the user, since Linux 6.16.
            ("flush", "mount", "FAN_MARK_FLUSH|FAN_MARK_MOUNT", "0"),
            ("flush", "filesystem", "FAN_MARK_FLUSH|FAN_MARK_FILESYSTEM", "0"),
        ]
    if hook.startswith("tracepoint:"):
        succeeded += [
            ("add", "mount", "FAN_MARK_ADD|FAN_MARK_MOUNT", "FAN_OPEN_PERM"),
            ("remove", "mount", "FAN_MARK_REMOVE|FAN_MARK_MOUNT", "FAN_OPEN_PERM"),
        ]
    for action, flags, mask, errno in failed:
        key = f'{own}mark_type="inode",action="{action}",flags="{flags}",mask="{mask}"'
        yield f"fanotify_mark_calls_total{{{key}}}", {20: "+9000"}
        yield f'fanotify_mark_errors_total{{{key},errno="{errno}"}}', {20: "+9000"}
    for action, kind, flags, mask in succeeded:
        key = f'{own}mark_type="{kind}",action="{action}",flags="{flags}",mask="{mask}"'
        yield f"fanotify_mark_calls_total{{{key}}}", {20: 1000}
    yield f"fanotify_mark_calls_in_progress{{{own.rstrip(',')}}}", {20: 1}
    for kind, flags, errno in refused:
        key = f'{own}class="{kind}",flags="{flags}",event_f_flags="O_RDONLY"'
        yield f"fanotify_init_calls_total{{{key}}}", {20: 500}
        yield f'fanotify_init_errors_total{{{key},errno="{errno}"}}', {20: 500}
    comm = own.partition("cgroup=")[0]
    yield f'inotify_add_watch_errors_total{{{comm}errno="ENOSPC"}}', {20: 500}


def host(hook: str) -> dict[str, Steps]:
    """Return the series that do not depend on the names, and a protector's marks."""
    lost = "fanotify_exporter_lost_calls_total"
    series: dict[str, Steps] = {
        f'fanotify_exporter_probe_attached{{probe="fanotify_mark",hook="{hook}"}}': {
            0: 1
        },
        # The user deletes marked directories of its own.
        'fanotify_marks{comm="clamonacc",mark_type="inode",blocking="true"}': {
            0: 90,
            20: 40,
        },
        'fanotify_user_groups{uid="1000"}': {20: 128},
        "fanotify_user_groups_limit": {0: 128},
        'fanotify_user_marks{uid="1000"}': {20: 9000},
        "fanotify_user_marks_limit": {0: 9000},
        'inotify_user_instances{uid="1000"}': {20: 128},
        "inotify_user_instances_limit": {0: 128},
        'inotify_user_watches{uid="1000"}': {20: 9000},
        "inotify_user_watches_limit": {0: 9000},
        **{
            f'{family}{{comm="{name}"}}': {20: 1}
            for family in (
                "fanotify_queue_fill_ratio",
                "fanotify_queue_overflow_pending",
            )
            for name in (*NAMES[:100], "[other: too many]")
        },
        'fanotify_exporter_map_entries{map="calls_user"}': {20: 1024},
        'fanotify_exporter_map_max_entries{map="calls_user"}': {0: 1024},
        'fanotify_exporter_map_entries{map="inotify_add_watch"}': {20: 256},
        'fanotify_exporter_map_max_entries{map="inotify_add_watch"}': {0: 256},
        "fanotify_exporter_groups_descriptors_left_out": {20: 18_900},
    }
    for probe in SYSCALLS:
        for reason in ("map_full", "recursion", "nmissed"):
            series[f'{lost}{{probe="{probe}",reason="{reason}"}}'] = {0: 0, 20: 700}
    return series


@pytest.mark.parametrize(
    "hook", RAISED_BY_HOOK, ids=lambda hook: hook.partition(":")[0]
)
@pytest.mark.parametrize("labels", LABELS)
def test_one_alert_of_a_kind(
    labels: str, hook: str, release: Release, run: Callable[..., str], tmp_path: Path
) -> None:
    """
    200 renamed programs at their limits raise one alert of a kind, and no page.

    None of the names is taken for that of a program with blocking marks.
    """
    series = host(hook)
    for name in NAMES if LABELS[labels] else PROTECTORS[:1]:
        series |= dict(calls(name, LABELS[labels], hook))
    if labels == "without_comm_and_mask":
        series = {
            key.replace(',mask="FAN_OPEN_PERM"', ""): series[key] for key in series
        }
    case = parse_case("stranger", {"series": series, "firing": []})
    firing = {
        f'{{alertname="{alert}",severity="{severity}"}}': 1
        for alert, severity in RAISED_BY_HOOK[hook].items()
    }
    queries = {
        AT: ("count by (alertname, severity) (ALERTS{alertstate='firing'})", firing),
        AT + 1: ("count(instance_comm:fanotify_blocking:present)", {"{}": 1}),
        timeline.END: ("present_over_time(ALERTS{severity='critical'}[1h])", {}),
    }
    path = tmp_path / "stranger.json"  # JSON is YAML
    path.write_text(json.dumps(query_document(case, queries)))
    run(release.promtool, "test", "rules", str(path))


def test_raised_alerts_hide_no_other() -> None:
    """No alert that the user can raise inhibits another."""
    raised = {alert for alerts in RAISED_BY_HOOK.values() for alert in alerts}
    rules = yaml.safe_load(shipped.ALERTMANAGER_EXAMPLE.read_text())["inhibit_rules"]
    sources = " ".join(each for rule in rules for each in rule["source_matchers"])
    assert set() == {alert for alert in raised if alert in sources}
    assert "FanotifyExporterDown" in sources
