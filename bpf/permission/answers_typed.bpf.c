// SPDX-License-Identifier: GPL-2.0-only
/*
 * Facts about an answer where lockdown=confidentiality refuses the read
 * helper. The class of a group is known since its first wait began. The process
 * that an answer is for is not known, and an answer to a killed task counts as
 * an answer to a task that waits.
 */
#include <permission/permission.h>

/* A wait enters its group at the begin. */
#define ENTERS_GROUPS

static inline u32 answered_class(u64 group)
{
	struct group *known = group_of.lookup(&group);

	return known ? known->class : CLASS_NOTIFICATION;
}

static inline u32 find_kind(struct credit *credit, s32 fd)
{
	return ANSWER_LOOSE;
}
