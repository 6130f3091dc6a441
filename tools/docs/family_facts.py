"""
Facts about metric families and labels that the code does not have.

A new family takes one line in FAMILIES, and one in LABELS for each new label.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a family come from, and since which Linux version."""

    source: str
    since: str = "5.10"


CALL = Source("[hook](../README.md#hooks) on the call, map `slots`")
WAIT = Source(
    "`fentry` or `kprobe` at `fsnotify_prepare_user_wait`, `fsnotify_finish_user_wait` "
    "and `fanotify_write`"
)
EVENT = Source(
    "`fentry` or `kprobe` at `fsnotify_insert_event` (before Linux 5.16 "
    "`fsnotify_add_event`), `fsnotify_add_mark_locked` and `fanotify_read`",
    "5.13, 5.10.220",
)
WAITING = Source(
    "iterator over the tasks that wait for each group; elsewhere `/proc/*/wchan`",
    "5.10; `/proc`: 5.16",
)
ITSELF = Source("the exporter itself")
GROUPS = Source("an iterator over open files; elsewhere `/proc/*/fd`")
FDINFO = Source("`/proc/*/fdinfo` of the groups and instances")
QUEUES = Source("an iterator over open files")
USERS = Source(
    "the kernel's own counts, by an iterator over open files; elsewhere the sums over "
    "`/proc`"
)
LIMITS = "5.13, 5.10.220"
LIMIT = "`/proc/sys/fs/fanotify/{}`"
INOTIFY_LIMIT = "`/proc/sys/fs/inotify/{}`"

FAMILIES = {
    "fanotify_mark_calls_total": CALL,
    "fanotify_mark_errors_total": CALL,
    "fanotify_mark_mask_bit_calls_total": CALL,
    "fanotify_mark_calls_in_progress": Source(
        "iterator over threads; elsewhere `/proc/*/task/*/syscall`"
    ),
    "fanotify_init_calls_total": CALL,
    "fanotify_init_errors_total": CALL,
    "inotify_init_calls_total": CALL,
    "inotify_init_errors_total": CALL,
    "inotify_add_watch_calls_total": CALL,
    "inotify_add_watch_errors_total": CALL,
    "fanotify_groups": GROUPS,
    "fanotify_marks": FDINFO,
    "fanotify_queue_length": QUEUES,
    "fanotify_queue_fill_ratio": QUEUES,
    "fanotify_queue_overflow_pending": QUEUES,
    "fanotify_unanswered_events": QUEUES,
    "fanotify_user_groups": USERS,
    "fanotify_user_marks": USERS,
    "inotify_instances": GROUPS,
    "inotify_watches": FDINFO,
    "inotify_user_instances": USERS,
    "inotify_user_watches": USERS,
    "fanotify_mounts": Source("`/proc/*/fdinfo`, `/proc/1/mountinfo`"),
    "fanotify_exporter_groups_unreadable_processes": Source("`/proc/*/fd`"),
    "fanotify_exporter_groups_descriptors_left_out": Source("`/proc/*/fd`"),
    "fanotify_exporter_groups_last_scan_timestamp_seconds": ITSELF,
    "fanotify_permission_wait_seconds": WAIT,
    "fanotify_permission_waits_total": WAIT,
    "fanotify_permission_responses_total": WAIT,
    "fanotify_unchecked_accesses_total": WAIT,
    "fanotify_events_total": EVENT,
    "fanotify_permission_waiting_tasks": WAITING,
    "fanotify_permission_oldest_wait_seconds": WAITING,
    "fanotify_permission_listener_waits": Source("the iterator"),
    "fanotify_permission_deadlocked_listeners": Source("the iterator"),
    "fanotify_exporter_waits_last_pass_timestamp_seconds": ITSELF,
    "fanotify_user_groups_limit": Source(LIMIT.format("max_user_groups"), LIMITS),
    "fanotify_user_marks_limit": Source(LIMIT.format("max_user_marks"), LIMITS),
    "fanotify_queued_events_limit": Source(LIMIT.format("max_queued_events"), LIMITS),
    "fanotify_watchdog_timeout_seconds": Source(
        LIMIT.format("watchdog_timeout"), "6.18"
    ),
    "inotify_user_instances_limit": Source(INOTIFY_LIMIT.format("max_user_instances")),
    "inotify_user_watches_limit": Source(INOTIFY_LIMIT.format("max_user_watches")),
    "inotify_queued_events_limit": Source(INOTIFY_LIMIT.format("max_queued_events")),
    "fanotify_exporter_build_info": ITSELF,
    "fanotify_exporter_probe_attached": Source("`/proc/sys/kernel/ftrace_enabled`"),
    "fanotify_exporter_map_entries": Source(
        "map `slots`; permission waits and events: the maps"
    ),
    "fanotify_exporter_map_max_entries": Source(
        "`--bpf.max-entries`, `--bpf.max-user-entries`; `inotify_add_watch`, "
        "permission waits and events: fixed"
    ),
    "fanotify_exporter_lost_calls_total": Source(
        "map `lost`; `map_full`: map `slots`; `recursion`: `/proc/self/fdinfo` of the "
        "BPF programs; `nmissed`: the kernel's account of the probe's BPF link",
        "5.10; `recursion`: 5.12, with tracepoint or kprobe 6.7; `nmissed`: 6.7",
    ),
    "fanotify_exporter_counting_start_time_seconds": ITSELF,
    "fanotify_exporter_web_config_age_seconds": ITSELF,
    "fanotify_exporter_log_records_dropped_total": ITSELF,
    "fanotify_exporter_collector_success": ITSELF,
    "fanotify_exporter_collector_duration_seconds": ITSELF,
    "fanotify_exporter_collector_series": ITSELF,
    "process_virtual_memory_bytes": Source("`/proc/self/stat`"),
    "process_resident_memory_bytes": Source("`/proc/self/stat`"),
    "process_start_time_seconds": Source("`/proc/self/stat`, `/proc/stat`"),
    "process_cpu_seconds_total": Source("`/proc/self/stat`"),
    "process_open_fds": Source("`/proc/self/fd`"),
    "process_max_fds": Source("`/proc/self/limits`"),
}

LABELS = {
    "comm": "name of the calling thread; any program can choose it. Of groups, queues "
    "and inotify instances: name of the oldest process that has the group or instance "
    "open. Of permission "
    "families: name of the process that last marked or answered, else of the oldest "
    "process that has the group open; empty if a scan of /proc could mean several "
    "listeners. Of events: name of the process that last marked or read by the group, "
    "`[other: not known]` before the first such call since the programs were loaded, "
    "and `[other: unprivileged]` for all groups that a process without CAP_SYS_ADMIN "
    "in the initial user namespace made. Bytes that are not printable UTF-8 are "
    "written as `\\xNN` and a backslash as `\\\\`, so that different "
    "names stay different",
    "action": "`add`, `remove`, `flush`, or `invalid` if the flags have not exactly "
    "one of these commands",
    "mark_type": "`inode`, `mount`, `filesystem` or `mntns`; of marks that exist also "
    "`unknown`: a mark type that this version does not know",
    "flags": "the call's flags: names in ascending bit order, joined by `|`; bits "
    "without a name are one hex term at the end (`FAN_MARK_ADD|0x2000`); `0` if there "
    "are no flags",
    "mask": "the events in the call's mask, written like flags (`FAN_OPEN|FAN_ONDIR`)",
    "bit": "one bit of the mask, or `unknown` for all bits without a name",
    "class": "`notification`, `content`, `pre_content`, or `invalid` if the flags have "
    "two classes. Empty if more than one listener could be meant",
    "event_f_flags": "how event file descriptors are opened: the access mode, then the "
    "other open(2) flags by name, and bits without a name as hex",
    "blocking": "`true` if the mark has a permission event: the task that causes the "
    "event waits for the listener's answer",
    "fstype": "type of a filesystem in mountinfo, without the subtype that a FUSE "
    "filesystem gives itself: `fuse` for `fuse.sshfs`",
    "marked": "`true` if a mark of the program is on the mount or on its filesystem "
    "([what that means](mount_coverage.md))",
    "uid": "the user whom the kernel charges, where an iterator reads the kernel's "
    "counts; elsewhere the effective user of the oldest process that has the group or "
    "instance open",
    "end": "`answered`: by the listener. `killed`: the waiting task was. "
    "`listener_closed`: the access went ahead because the group was closed. "
    "`unanswered`: the kernel could make no descriptor for the listener, or the queue "
    "was full",
    "outcome": "`queued`: for the listener to read. `merged`: with a queued event that "
    "says the same. `dropped`: the queue was full, or there was no memory for the "
    "event",
    "response": "`allow` or `deny`",
    "on": "the listener that the listener `comm` waits for; may be the same",
    "errno": "`EINVAL`, `ENOSPC` and so on, or the number of an errno without a name; "
    "of answers empty for `allow`, and for `deny` what the access fails with",
    "probe": "name of the system call that the probe counts, or `permission_wait`, "
    "`permission_response`, `permission_group`, `event`",
    "hook": "hook and attach point: `fentry:do_fanotify_mark`",
    "programs": "`calls`: the programs that count system calls. `permission`: the "
    "programs that count permission waits. `events`: the programs that count events. A "
    "change of one set does not restart the others",
    "map": "`calls_privileged` has the keys that were first used by a thread with "
    "CAP_SYS_ADMIN in the initial user namespace, `calls_user` all others; "
    "`inotify_add_watch` has those of inotify_add_watch(2), whoever called; "
    "`permission_groups` has the permission groups that exist, `permission_waits` the "
    "tasks that wait, `event_groups` the groups that CAP_SYS_ADMIN made",
    "reason": "`map_full`: the map had no free slot for the key. `no_entry`: the call "
    "began before the exporter started, or its entry was missed, or seccomp refused "
    "it. `recursion`: the kernel skipped the BPF program, and counted the skipped run. "
    "`recursion_any_syscall`: the same on the raw tracepoint, for any system call of "
    "the host. `nmissed`: on the kprobe hook, more calls were in progress at once than "
    "the kretprobe has instances for. `no_begin`: the begin of a permission wait was "
    "not seen, so the wait has no length. Of unchecked accesses `listener_closed`: the "
    "group was closed while the task waited",
    "collector": "name in `--collector.NAME`, or `exporter_health` or `process`",
    "version": "version of the exporter",
    "revision": "git commit of the exporter",
    "python": "version of Python",
    "bcc": "version of bcc that compiled the programs",
    "kernel": "release of the running kernel",
}
