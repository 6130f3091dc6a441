/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types and bounds that the parts in bpf/permission/ share.
 *
 * fanotify_handle_event() in fs/notify/fanotify/fanotify.c calls
 * fsnotify_prepare_user_wait() before a task waits for a listener's answer, and
 * fsnotify_finish_user_wait() after the wait. Only permission events lead
 * there. A listener answers in fanotify_write() of fanotify_user.c.
 */
#ifndef PERMISSION_H
#define PERMISSION_H

#include <linux/types.h>

/* TASK_COMM_LEN in include/linux/sched.h, in words of 8 bytes. */
#define COMM_WORDS 2

/* Permission groups that exist at a time. */
#define GROUPS 256
/* Tasks that wait at a time. */
#define WAITS 32768
/* Threads that are inside fanotify_write() at a time. */
#define WRITERS 4096
/* Answers whose tasks have not gone on yet, at a time. */
#define CREDITS 8192
/* Of these, answers to threads of one process. */
#define PROCESS_CREDITS 32

/* Names of listeners that have totals of their own. */
#define LISTENERS 256
/* Fixed totals after those of listeners, one for each class: waits that ended
 * before the listener's name was known, and groups that did not fit into the
 * map.
 */
#define UNKNOWN_TOTAL(class) (LISTENERS + (class))
#define OTHER_TOTAL(class) (LISTENERS + CLASSES + (class))
#define TOTALS (LISTENERS + 2 * CLASSES)

/* fsnotify_group.priority (include/linux/fsnotify_backend.h). No group of the
 * class NOTIFICATION has permission events.
 */
enum group_class {
	CLASS_NOTIFICATION,
	CLASS_CONTENT,
	CLASS_PRE_CONTENT,
	CLASSES,
};

/* ENDS in bpf/permission_samples.py has the names, in this order. */
enum end {
	END_ANSWERED,
	END_KILLED, /* the waiter was killed */
	END_LISTENER_CLOSED,
	/* The kernel could make no descriptor for the listener, or the queue
	 * was full.
	 */
	END_UNANSWERED,
	ENDS,
};

/* RESPONSES in bpf/permission_maps.py has the names, in this order. The errno
 * numbers are those that process_access_response() in fanotify_user.c takes.
 */
enum response {
	RESPONSE_ALLOW,
	RESPONSE_EPERM,
	RESPONSE_EIO,
	RESPONSE_EAGAIN,
	RESPONSE_EBUSY,
	RESPONSE_ETXTBSY,
	RESPONSE_ENOSPC,
	RESPONSE_EDQUOT,
	RESPONSE_OTHER,
	RESPONSES,
};

/* LOST_REASONS in loader/permission.py has the names, in this order. */
enum lost_reason {
	/* The end of a wait was seen and its begin was not: the wait began
	 * before the programs were attached, waits was full, or the kernel
	 * skipped the program at the begin.
	 */
	LOST_NO_BEGIN,
	/* An answer was not counted, because answers was full. */
	LOST_WRITERS_FULL,
	/* An answer was not counted by its kind, because the memory of the
	 * listener was not present when the program read it.
	 */
	LOST_UNREAD,
	LOST_REASONS,
};

/* Entries in use; USAGE in bpf/permission_maps.py has the maps' names. */
enum usage {
	USAGE_GROUPS,
	USAGE_WAITS,
	USAGES,
};

/* Buckets of the histogram. WAIT_BUCKETS in bpf/permission_samples.py has the
 * same bounds in seconds. The last bucket has no bound.
 */
#define BUCKETS 10

struct listener {
	u64 comm[COMM_WORDS]; /* of the process: its first thread's */
#ifdef CONTAINER
	u64 cgroup; /* id in the cgroup v2 hierarchy */
#endif
	u64 class; /* enum group_class */
};

/* What is counted for a listener. While claimed is 0, the listener may change:
 * claim_total() gives an entry back if another CPU inserted the same listener
 * first.
 */
struct total {
	u64 claimed;
	u64 ends[ENDS];
	u64 buckets[BUCKETS];
	u64 nanoseconds; /* of the waits in buckets */
	u64 responses[RESPONSES];
	struct listener listener;
};

/*
 * A permission group.
 *
 * A task cannot see at the end of its wait whether the listener answered. So an
 * answer leaves a credit for the process that the event is of, before the
 * kernel takes the answer, and the end of the wait takes the credit. Where the
 * process of an answer is not known, the answer is in loose_answers. A wait
 * that ends without a credit had no answer if loose_answers + loose_unanswered
 * is less than loose_ends.
 */
struct group {
	u64 answers; /* that the kernel accepted */
	u64 loose_answers;
	u64 loose_ends;
	u64 loose_unanswered;
	/* The iterator's latest pass that listed waiters, and where it stopped.
	 */
	u64 pass;
	u64 cursor; /* address of a list_head, 0 if the list was complete */
	u64 next_cursor;
	u64 cursor_ns; /* CLOCK_BOOTTIME */
	u64 cursor_answers; /* answers at that time: an answer moves all tasks
			     */
	u32 total; /* index in totals */
	u32 class; /* enum group_class */
	u32 listener; /* process id of the listener that answered last, or 0 */
	u32 position; /* waiters before the cursor */
};

struct wait {
	u64 since_ns; /* CLOCK_BOOTTIME */
	u64 group; /* address */
	/* The iterator found the task waiting: since_ns is when. */
	u64 is_late;
};

/* An answer whose task has not gone on yet. Two answers differ in number. */
struct credit {
	u64 group; /* address */
	u64 pid; /* fanotify_event.pid: address of the struct pid of the process
		  */
	u64 number;
};

/* An answer that a thread is writing. */
struct answer {
	struct credit credit;
	u32 response; /* enum response */
	u32 kind; /* enum answer_kind */
};

enum answer_kind {
	ANSWER_TO_KILLED, /* to a task that was killed */
	ANSWER_CREDITED,
	ANSWER_LOOSE, /* in group.loose_answers */
};

#endif
