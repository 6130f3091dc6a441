"""
200 names of a real user's program cause one notification of a kind, and no page.

The program runs without privileges: it uses up its groups and, in a user namespace, its
marks, and makes calls that fail under each name, among them the names of the protectors
in the shipped settings. Exporter, Prometheus and Alertmanager are real; the rules are
the shipped ones with every duration divided by 60.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from tools.harness.incidents import OWN_LIMITS
from tools.harness.listeners import as_user, listening
from tools.harness.processes import poll
from tools.harness.rules.durations import FACTOR
from tools.harness.servers.alertmanager import alertmanager
from tools.harness.servers.prometheus import alerting
from tools.harness.servers.webhook import DEADLINE_SECONDS, webhook
from tools.harness.serving import serving


pytestmark = pytest.mark.whole_host

# A uid without other processes.
UID = 61_306
PROTECTORS = ("fapolicyd", "clamonacc", "clamonacc-ddd")
# Five minutes of group_interval take 5 seconds here: enough for several notifications.
QUIET_SECONDS = 20

NOTIFIED = {
    "FanotifyLimitReached",
    "FanotifyErrorRatioHigh",
    "FanotifyGroupsNearLimit",
}
NOTICES = {"FanotifyUnknownBits", "FanotifyExporterUserMapNearFull"}

# Under each name: 11 calls with an unknown bit, and calls that need CAP_SYS_ADMIN.
RENAME = f"""
    def fails(call, *arguments):
        try:
            call(*arguments)
        except OSError as error:
            return error.errno
        return 0

    say()
    with open("/proc/sys/user/max_fanotify_marks", "w") as limit:
        limit.write("1")
    group = init(FID)
    mark(group, ADD, OPEN, "/etc")
    while not fails(init, FID):
        pass
    errnos = set()
    for comm in {[*PROTECTORS, *(f"renamed-{number}" for number in range(197))]!r}:
        name(comm)
        for _ in range(11):
            errnos.add(fails(mark, group, ADD | 1 << 31, OPEN, "."))
        errnos.add(fails(mark, group, ADD, OPEN, "."))
        errnos.add(fails(mark, group, ADD, OPEN_PERM, "."))
        errnos.add(fails(mark, group, MOUNT, OPEN, "."))
        errnos.add(fails(init, FID))
        errnos.add(fails(init, CONTENT))
    say(sorted(errnos))
"""


def test_one_notification_of_a_kind(tmp_path: Path) -> None:
    """The receivers get one firing notification for each kind, and the pager none."""
    with (
        webhook() as hook,
        alertmanager(hook.address, tmp_path) as alerts,
        serving(tmp_path / "exporter.log") as exporter,
        alerting(exporter.addresses[0], alerts.address, tmp_path) as prometheus,
        listening(RENAME, prefix=(*as_user(UID), *OWN_LIMITS)) as stranger,
    ):
        known = f"instance:fanotify_counts:present offset {15 * 60 // FACTOR}s"
        assert poll(lambda: prometheus.query(known))
        (errnos,) = stranger.go_on()
        assert [1, 22, 24, 28] == errnos  # EPERM, EINVAL, EMFILE, ENOSPC

        def notified() -> set[str]:
            return {each.labels["alertname"] for each in hook.received({})}

        poll(lambda: notified() >= NOTIFIED, seconds=DEADLINE_SECONDS)
        time.sleep(QUIET_SECONDS)
        ever = "last_over_time(ALERTS{alertstate='firing'}[2m])"
        fired = {
            labels["alertname"]: count
            for labels, count in prometheus.query(f"count by (alertname) ({ever})")
        }
        pages = prometheus.query("present_over_time(ALERTS{severity='critical'}[2m])")

    received = [each for each in hook.received({}) if each.status == "firing"]
    kinds = Counter(each.labels["alertname"] for each in received)
    assert dict.fromkeys(NOTIFIED, 1) == {kind: kinds[kind] for kind in NOTIFIED}
    assert dict.fromkeys(NOTIFIED | NOTICES, 1.0) == {
        kind: fired.get(kind, 0) for kind in NOTIFIED | NOTICES
    }
    assert not NOTICES & set(kinds)
    assert {"tickets"} == {each.receiver for each in received}
    assert [] == pages
