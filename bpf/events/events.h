/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types and bounds that the parts in bpf/events/ share.
 *
 * fsnotify_insert_event() in fs/notify/notification.c gives each event of a
 * fanotify group or an inotify instance to its queue. Before Linux 5.16 the
 * function is called fsnotify_add_event().
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <linux/types.h>

/* TASK_COMM_LEN in include/linux/sched.h, in words of 8 bytes. */
#define COMM_WORDS 2

/* Groups that exist at a time, and that a process with CAP_SYS_ADMIN made. */
#define GROUPS 256
/* Threads that are inside fsnotify_insert_event() at a time. */
#define INSERTIONS 4096

/* Names of listeners that have totals of their own. */
#define LISTENERS 256
/* Fixed totals after those of listeners; FIXED_COMMS in bpf/event_samples.py
 * has the names, in this order.
 */
enum fixed_total {
	/* The programs have not seen the listener mark or read yet. */
	UNKNOWN_TOTAL = LISTENERS,
	/* The group did not fit into the map, or no total was free. */
	OTHER_TOTAL,
	/* The group was made by a process without CAP_SYS_ADMIN in the initial
	 * user namespace. Each user may make 128 of them.
	 */
	UNPRIVILEGED_TOTAL,
	TOTALS,
};

/* The result of fsnotify_insert_event(). OUTCOMES in bpf/event_samples.py has
 * the names, in this order.
 */
enum outcome {
	OUTCOME_QUEUED,
	OUTCOME_MERGED,
	OUTCOME_DROPPED,
	OUTCOMES,
};

/* LOST_REASONS in loader/events.py has the names, in this order. */
enum lost_reason {
	/* The return of a call was seen, and its entry was not, or insertions
	 * was full.
	 */
	LOST_NO_ENTRY,
	LOST_REASONS,
};

struct listener {
	u64 comm[COMM_WORDS]; /* of the process: its first thread's */
#ifdef CONTAINER
	u64 cgroup; /* id in the cgroup v2 hierarchy */
#endif
};

/* What is counted for a listener. While claimed is 0, the listener may change:
 * claim_total() gives an entry back if another CPU inserted the same listener
 * first.
 */
struct total {
	u64 claimed;
	u64 outcomes[OUTCOMES];
	/* Permission events among the dropped: the kernel let the access pass.
	 */
	u64 unchecked;
	struct listener listener;
};

/* The arguments of a call that has not returned. */
struct insertion {
	u64 group; /* address */
	u64 event; /* address */
};

#endif
