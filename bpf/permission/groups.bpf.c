// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permission groups, and what is counted for their listeners.
 *
 * A group's entry lives from the first wait or answer to
 * fanotify_free_group_priv(), which the kernel calls right before the group's
 * memory is freed, after the last wait has ended. A new group at the same
 * address starts with a new entry.
 */
#include <permission/permission.h>

/* The group's address -> group */
BPF_HASH(group_of, u64, struct group, GROUPS);

/* Counters by listener. User space maps this array into its memory. */
BPF_F_TABLE("array", u32, struct total, totals, TOTALS, BPF_F_MMAPABLE);

/* struct listener -> index in totals. No entry is ever deleted. */
BPF_HASH(total_of, struct listener, u32, LISTENERS);

/* Indexes of free totals, pushed by the loader. */
BPF_STACK(free_totals, u32, LISTENERS);

BPF_F_TABLE("array", u32, u64, usage, USAGES, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, u64, lost, LOST_REASONS, BPF_F_MMAPABLE);

static inline void add_usage(u32 index, s64 number)
{
	u64 *entries = usage.lookup(&index);

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
	return a->comm[0] == b->comm[0] && a->comm[1] == b->comm[1] &&
	       a->class == b->class;
}

/* Let the group's waits and answers count for this listener from now on. */
static inline void name_listener(struct group *group, struct listener *listener)
{
	u32 index = group->total;
	struct total *total = totals.lookup(&index);
	u32 *known;

	if (total && total->claimed && is_same(&total->listener, listener))
		return;
	known = total_of.lookup(listener);
	if (known)
		index = *known;
	else if (!claim_total(listener, &index))
		index = OTHER_TOTAL(listener->class % CLASSES);
	group->total = index;
}

/* Return the entry of the group at this address, a new one if there is none,
 * NULL if the map is full. The class is not CLASS_NOTIFICATION: every user may
 * make such groups, and may write to them.
 */
static inline struct group *find_group(u64 address, u32 class)
{
	struct group *group = group_of.lookup(&address);
	struct group new = {
		.total = UNKNOWN_TOTAL(class % CLASSES),
		.class = class,
	};

	if (!group) {
		if (group_of.insert(&address, &new) == 0)
			add_usage(USAGE_GROUPS, 1);
		group = group_of.lookup(&address);
	}
	return group;
}

/* Forget the group at this address, which the kernel is about to free. */
static inline int retire_group(u64 address)
{
	if (group_of.delete(&address) == 0)
		add_usage(USAGE_GROUPS, -1);
	return 0;
}
