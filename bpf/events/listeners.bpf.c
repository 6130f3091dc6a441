// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups, and the listeners for which their events are counted.
 *
 * Only groups that CAP_SYS_ADMIN made have entries, so other users cannot fill
 * the maps. A group's entry lives until fanotify_free_group_priv(), which the
 * kernel calls right before the group's memory is freed.
 */
#include <events/events.h>

/* The group's address -> index in totals */
BPF_HASH(total_of_group, u64, u32, GROUPS);

/* Counters by listener. User space maps this array into its memory. */
BPF_F_TABLE("array", u32, struct total, totals, TOTALS, BPF_F_MMAPABLE);

/* struct listener -> index in totals. No entry is ever deleted. */
BPF_HASH(total_of, struct listener, u32, LISTENERS);

/* Indexes of free totals, pushed by the loader. */
BPF_STACK(free_totals, u32, LISTENERS);

/* Entries in use of total_of_group. */
BPF_F_TABLE("array", u32, u64, usage, 1, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, u64, lost, LOST_REASONS, BPF_F_MMAPABLE);

static inline void add_usage(s64 number)
{
	u32 zero = 0;
	u64 *entries = usage.lookup(&zero);

	if (entries)
		lock_xadd(entries, number);
}

static inline void count_lost(u32 reason)
{
	u64 *number = lost.lookup(&reason);

	if (number)
		lock_xadd(number, 1);
}

/* Give a listener a total of its own. Return false if none is free. */
static inline bool claim_total(struct listener *listener, u32 *index)
{
	struct total *total;
	u32 *winner;

	if (free_totals.pop(index))
		return false;
	total = totals.lookup(index);
	if (!total)
		return false;
	total->listener = *listener;
	if (total_of.insert(listener, index) == 0) {
		total->claimed = 1;
		return true;
	}

	/* Another CPU inserted the same listener first. */
	free_totals.push(index, 0);
	winner = total_of.lookup(listener);
	if (!winner)
		return false;
	*index = *winner;
	return true;
}

static inline bool is_same(struct listener *a, struct listener *b)
{
#ifdef CONTAINER
	if (a->cgroup != b->cgroup)
		return false;
#endif
	return a->comm[0] == b->comm[0] && a->comm[1] == b->comm[1];
}

/* Return the index of the total of a listener. */
static inline u32 find_total(struct listener *listener)
{
	u32 *known = total_of.lookup(listener);
	u32 index = OTHER_TOTAL;

	if (known)
		return *known;
	return claim_total(listener, &index) ? index : OTHER_TOTAL;
}

/* Let the group's events count for the current process from now on. */
static inline int name_listener(u64 group)
{
	struct listener listener = {};
	struct total *total;
	u32 *known, index;

	if (is_unprivileged(group))
		return 0;
	read_leader_comm(listener.comm);
#ifdef CONTAINER
	listener.cgroup = bpf_get_current_cgroup_id();
#endif
	known = total_of_group.lookup(&group);
	if (known) {
		index = *known;
		total = totals.lookup(&index);
		if (!total || !total->claimed ||
		    !is_same(&total->listener, &listener))
			*known = find_total(&listener);
		return 0;
	}
	index = find_total(&listener);
	if (total_of_group.insert(&group, &index) == 0)
		add_usage(1);
	return 0;
}

/* Return the index of the total in which a group's events are counted. */
static inline u32 counted_in(u64 group)
{
	u32 *known = total_of_group.lookup(&group);
	u32 index = UNKNOWN_TOTAL;

	if (known)
		return *known;
	if (is_unprivileged(group))
		return UNPRIVILEGED_TOTAL;
	if (total_of_group.insert(&group, &index) == 0)
		add_usage(1);
	else if (!total_of_group.lookup(&group))
		return OTHER_TOTAL;
	return UNKNOWN_TOTAL;
}

/* Forget the group at this address, which the kernel is about to free. */
static inline int retire_group(u64 group)
{
	if (total_of_group.delete(&group) == 0)
		add_usage(-1);
	return 0;
}
