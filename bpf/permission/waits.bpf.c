// SPDX-License-Identifier: GPL-2.0-only
/*
 * The begin and the end of a wait, both in the waiting task.
 */
#include <permission/permission.h>

/* Thread id -> wait. A skipped program at the end of a wait leaves an entry, so
 * no entry alone says that a task waits.
 */
BPF_HASH(waits, u32, struct wait, WAITS);

static inline int begin_wait(u64 group)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct wait wait = {
		.since_ns = bpf_ktime_get_boot_ns(),
		.group = group,
	};

	if (waits.insert(&tid, &wait) == 0)
		add_usage(USAGE_WAITS, 1);
	else
		waits.update(&tid, &wait);
	return 0;
}

static inline void forget_wait(u32 tid)
{
	if (waits.delete(&tid) == 0)
		add_usage(USAGE_WAITS, -1);
}

static inline void count_length(struct total *total, u64 ns)
{
	u32 bucket;

	if (ns <= 25000000)
		bucket = ns <= 100000	 ? 0
			 : ns <= 1000000 ? 1
			 : ns <= 5000000 ? 2
					 : 3;
	else
		bucket = ns <= 100000000     ? 4
			 : ns <= 500000000   ? 5
			 : ns <= 1000000000  ? 6
			 : ns <= 5000000000  ? 7
			 : ns <= 30000000000 ? 8
					     : 9;
	lock_xadd(&total->buckets[bucket], 1);
	lock_xadd(&total->nanoseconds, ns);
}

/* Return how a wait without a credit ended. */
static inline u32 find_end(struct group *group, bool was_killed, bool is_closed,
			   bool was_begin_seen)
{
	if (was_killed)
		return END_KILLED;
	if (!group)
		return is_closed ? END_LISTENER_CLOSED : END_ANSWERED;
	lock_xadd(&group->loose_ends, 1);
	if ((s64)(group->loose_ends - group->loose_answers -
		  group->loose_unanswered) <= 0)
		return END_ANSWERED;
	lock_xadd(&group->loose_unanswered, 1);
	if (is_closed)
		return END_LISTENER_CLOSED;
	/* The answer to a wait from before may be from before, too. */
	return was_begin_seen ? END_UNANSWERED : END_ANSWERED;
}

static inline int end_wait(u64 address, u32 class, u64 task, bool is_closed)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct group *group = find_group(address, class);
	struct wait *wait = waits.lookup(&tid);
	bool was_begin_seen = wait && wait->group == address && !wait->is_late;
	u32 end = take_credit(address, task)
			  ? END_ANSWERED
			  : find_end(group, IS_KILLED(task), is_closed,
				     was_begin_seen);
	u32 index = group ? group->total : OTHER_TOTAL(class % CLASSES);
	struct total *total = totals.lookup(&index);

	if (total) {
		lock_xadd(&total->ends[end], 1);
		if (was_begin_seen)
			count_length(total,
				     bpf_ktime_get_boot_ns() - wait->since_ns);
	}
	if (!was_begin_seen)
		count_lost(LOST_NO_BEGIN);
	if (wait)
		forget_wait(tid);
	return 0;
}
