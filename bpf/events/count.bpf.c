// SPDX-License-Identifier: GPL-2.0-only
/*
 * The return of fsnotify_insert_event(): what became of an event.
 */
#include <events/events.h>

/*
 * Count an event of a fanotify group. The reader of a queued event may have
 * freed it already; a dropped event is still the caller's.
 *
 * The kernel also drops the events of a group that is being closed. These are
 * left out: nobody waits for them, and the collector permission counts the
 * accesses that go ahead as the listener closes.
 */
static inline int count_event(u64 group, u64 event, u32 outcome)
{
	struct total *total;
	u32 index;

	if (!IS_FANOTIFY(group) || outcome >= OUTCOMES)
		return 0;
	if (outcome == OUTCOME_DROPPED && IS_CLOSED(group))
		return 0;
	index = counted_in(group);
	total = totals.lookup(&index);
	if (!total)
		return 0;
	lock_xadd(&total->outcomes[outcome], 1);
	if (outcome == OUTCOME_DROPPED && is_permission_event(event))
		lock_xadd(&total->unchecked, 1);
	return 0;
}
