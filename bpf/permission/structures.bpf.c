// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of members of kernel structures, with LOAD() and current_task()
 * of the part before. The loader defines the offsets, from BTF.
 */
#include <permission/permission.h>

/* SIGKILL in a sigset_t, whose first word has the signals 1 to 64. */
#define SIGKILL_BIT (1ULL << 8)

/* The class of the group that a struct fsnotify_iter_info is at. */
#define CURRENT_GROUP(iter_info) LOAD(u64, iter_info, ITER_CURRENT_GROUP)
#define GROUP_CLASS(group) LOAD(u32, group, GROUP_PRIORITY)
#define IS_CLOSED(group) LOAD(u8, group, GROUP_SHUTDOWN)

/* __fatal_signal_pending() in include/linux/sched/signal.h */
#define IS_KILLED(task) (!!(LOAD(u64, task, TASK_PENDING) & SIGKILL_BIT))

/* The struct pid of the process and of the thread. fanotify_alloc_event() keeps
 * one of them in the event, the latter for a group with FAN_REPORT_TID.
 */
#define PROCESS_PID(task)                                                      \
	LOAD(u64, LOAD(u64, task, TASK_GROUP_LEADER), TASK_THREAD_PID)
#define THREAD_PID(task) LOAD(u64, task, TASK_THREAD_PID)

static inline void read_leader_comm(u64 task, u64 *comm)
{
	u64 leader = LOAD(u64, task, TASK_GROUP_LEADER);

	comm[0] = LOAD(u64, leader, TASK_COMM);
	comm[1] = LOAD(u64, leader, TASK_COMM + 8);
}
