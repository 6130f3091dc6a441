// SPDX-License-Identifier: GPL-2.0-only
/*
 * Credits: answers whose tasks have not gone on yet.
 */
#include <permission/permission.h>

/* struct credit -> 1. Of equal credits, one insert or delete succeeds. */
BPF_HASH(credits, struct credit, u8, CREDITS);

/* Enter a credit, and set its number. Return false if there is no room. */
static inline bool give_credit(struct credit *credit)
{
	u8 one = 1;

	for (u32 i = 0; i < PROCESS_CREDITS; i++) {
		credit->number = i;
		if (credits.insert(credit, &one) == 0)
			return true;
	}
	return false;
}

static inline bool take_one(u64 group, u64 pid)
{
	struct credit credit = {.group = group, .pid = pid};

	for (u32 i = 0; i < PROCESS_CREDITS; i++) {
		credit.number = i;
		if (credits.delete(&credit) == 0)
			return true;
	}
	return false;
}

/* Return whether the task's process had an answer, and use the answer up. */
static inline bool take_credit(u64 group, u64 task)
{
	u64 process = PROCESS_PID(task), thread = THREAD_PID(task);

	return take_one(group, process) ||
	       (thread != process && take_one(group, thread));
}
