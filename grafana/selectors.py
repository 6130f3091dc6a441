"""Series selectors and limits that several panels share."""

from __future__ import annotations

from grafana.promql import CALLER_MATCHERS, HOST_MATCHERS, MARK_MATCHERS, select


CALLS = select("fanotify_mark_calls_total", MARK_MATCHERS)
ERRORS = select("fanotify_mark_errors_total", MARK_MATCHERS)
# Series by bit of the mask have no comm.
BITS = select(
    "fanotify_mark_mask_bit_calls_total", HOST_MATCHERS, 'mark_type=~"$mark_type"'
)
INIT_CALLS = select("fanotify_init_calls_total", CALLER_MATCHERS)
INIT_ERRORS = select("fanotify_init_errors_total", CALLER_MATCHERS)
INOTIFY_CALLS = select("inotify_init_calls_total", CALLER_MATCHERS)
INOTIFY_ERRORS = select("inotify_init_errors_total", CALLER_MATCHERS)

BLOCKING_MARKS = select("fanotify_marks", HOST_MATCHERS, 'blocking="true"') + " > 0"

# reason="recursion_any_syscall" is left out everywhere: on a raw tracepoint the kernel
# counts skipped events of all system calls together.
_LOST_CALLS = "fanotify_exporter_lost_calls_total"
LOST_CALLS = select(_LOST_CALLS, HOST_MATCHERS, 'reason!="recursion_any_syscall"')
MISSED_CALLS = select(
    _LOST_CALLS, HOST_MATCHERS, 'reason!~"map_full|recursion_any_syscall"'
)
MAP_FULL_CALLS = select(_LOST_CALLS, HOST_MATCHERS, 'reason="map_full"')

# Used share of each limit, from 0 to 1. The limits are per user.
ONE_USER = 'uid!="[other: too many]"'
USER_MARKS_USED = (
    f"{select('fanotify_user_marks', HOST_MATCHERS, ONE_USER)}\n"
    f"/ ignoring (uid) group_left {select('fanotify_user_marks_limit', HOST_MATCHERS)}"
)
USER_GROUPS_USED = (
    f"{select('fanotify_user_groups', HOST_MATCHERS, ONE_USER)}\n"
    f"/ ignoring (uid) group_left {select('fanotify_user_groups_limit', HOST_MATCHERS)}"
)
USER_INSTANCES_USED = (
    f"{select('inotify_user_instances', HOST_MATCHERS, ONE_USER)}\n"
    "/ ignoring (uid) group_left "
    f"{select('inotify_user_instances_limit', HOST_MATCHERS)}"
)
USER_WATCHES_USED = (
    f"{select('inotify_user_watches', HOST_MATCHERS, ONE_USER)}\n"
    "/ ignoring (uid) group_left "
    f"{select('inotify_user_watches_limit', HOST_MATCHERS)}"
)
MAP_KEYS_USED = (
    f"{select('fanotify_exporter_map_entries', HOST_MATCHERS)}\n"
    f"/ {select('fanotify_exporter_map_max_entries', HOST_MATCHERS)}"
)

# Share of a limit from which the alerts warn (prometheus/fanotify-settings.rules.yml).
NEAR_LIMIT = 0.8
# Series in one graph. Any user can create callers by the thousand.
MAX_LINES = 10
# Rows in one table: enough that a flood of callers does not hide the others.
MAX_ROWS = 1000

CALLS_PER_SECOND = "suffix: calls/s"
