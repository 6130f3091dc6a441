// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of members of kernel structures, with LOAD() and current_task()
 * of the part before. The loader defines the offsets, from BTF.
 */
#include <events/events.h>
#include <read_word.h>

/* Internal flag of a group that fanotify_init(2) made without CAP_SYS_ADMIN,
 * include/linux/fanotify.h. Linux before 5.13 makes no such group.
 */
#define FANOTIFY_UNPRIV 0x80000000U

/* FANOTIFY_PERM_EVENTS in include/linux/fanotify.h: FAN_OPEN_PERM,
 * FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM and FAN_PRE_ACCESS.
 */
#define PERMISSION_EVENTS 0x170000U

/* Only fanotify's operations have handle_event(). Those of inotify have
 * handle_inode_event() since Linux 5.11, and no other group has a queue.
 */
#define IS_FANOTIFY(group)                                                     \
	(LOAD(u64, LOAD(u64, group, GROUP_OPS), OPS_HANDLE_EVENT) != 0)
#define IS_CLOSED(group) LOAD(u8, group, GROUP_SHUTDOWN)

static inline bool is_unprivileged(u64 group)
{
	return (u32)read_word(group + GROUP_FLAGS) & FANOTIFY_UNPRIV;
}

static inline bool is_permission_event(u64 event)
{
	return (u32)read_word(event + EVENT_MASK) & PERMISSION_EVENTS;
}

/* Read the name of the current process: of its first thread. */
static inline void read_leader_comm(u64 *comm)
{
	u64 leader = LOAD(u64, current_task(), TASK_GROUP_LEADER);

	comm[0] = LOAD(u64, leader, TASK_COMM);
	comm[1] = LOAD(u64, leader, TASK_COMM + 8);
}
