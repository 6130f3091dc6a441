"""What several panels select, and the numbers that they share."""

from __future__ import annotations

from grafana.promql import CALLER, HOST, MARK, select


CALLS = select("fanotify_mark_calls_total", MARK)
ERRORS = select("fanotify_mark_errors_total", MARK)
BITS = select("fanotify_mark_mask_bit_calls_total", MARK)
INIT_CALLS = select("fanotify_init_calls_total", CALLER)
INIT_ERRORS = select("fanotify_init_errors_total", CALLER)
INOTIFY_CALLS = select("inotify_init_calls_total", CALLER)
INOTIFY_ERRORS = select("inotify_init_errors_total", CALLER)

BLOCKING_MARKS = select("fanotify_marks", HOST, 'blocking="true"') + " > 0"
_LOST = "fanotify_exporter_lost_calls_total"
LOST = select(_LOST, HOST, 'reason!="recursion_any_syscall"')
UNSEEN = select(_LOST, HOST, 'reason!~"map_full|recursion_any_syscall"')
MAP_FULL = select(_LOST, HOST, 'reason="map_full"')

USER_MARKS = (
    f"{select('fanotify_user_marks', HOST)}\n"
    f"/ ignoring (uid) group_left {select('fanotify_limit_user_marks', HOST)}"
)
USER_GROUPS = (
    f"{select('fanotify_user_groups', HOST)}\n"
    f"/ ignoring (uid) group_left {select('fanotify_limit_user_groups', HOST)}"
)
MAP_KEYS = (
    f"{select('fanotify_exporter_map_entries', HOST)}\n"
    f"/ {select('fanotify_exporter_map_max_entries', HOST)}"
)
"""How much is taken of a limit, from 0 to 1."""

NEAR = 0.8
"""The share of a limit from which on the alerts call it near."""
LINES = 10
"""What a graph shows at a time; any user can make callers, by the thousand."""
ROWS = 1000
"""What a table has at most, so that a flood of callers does not hide the others."""

CALLS_PER_SECOND = "suffix: calls/s"
