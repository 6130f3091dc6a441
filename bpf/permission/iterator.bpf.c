// SPDX-License-Identifier: GPL-2.0-only
/*
 * The task_file iterator: one pass lists each permission group with each
 * process that has the group open, and the tasks that wait for the group.
 *
 * A pass calls the program for each open file of each process, and of each
 * thread whose descriptors are its own. The truth about waiting tasks is the
 * group's own list, access_waitq: also tasks from before the programs are
 * there. Times come from the map waits. A task that the map does not know is
 * entered, with the time of this pass.
 *
 * While a listener answers, the kernel takes all tasks off the list at each
 * answer, and the tasks that go on waiting return to the list: a pass at that
 * moment misses some.
 */
#include <permission/permission.h>

/* Waiters of a group that a pass lists. A pass that begins soon after goes on
 * behind the last of them, at group.cursor.
 */
#define MAX_LISTED 256
#define CURSOR_NS 1000000000

/* The first member of a record. */
enum record {
	RECORD_GROUP = 1,
	RECORD_WAITER = 2,
};

/* GROUP_RECORD and WAITER_RECORD in fsnotify/task_iter.py are the same. */
struct group_record {
	u32 record;
	u32 class;
	u64 group;
	u64 answers;
	u64 cgroup; /* of the holder */
	u32 holder; /* process id */
	u32 listener; /* process id, 0 if none answered yet */
	u32 position; /* waiters before the first that this pass lists */
	u32 end; /* enum list_end */
	u64 comm[COMM_WORDS]; /* of the holder */
	u64 listener_comm[COMM_WORDS]; /* zeros if the listener is not known */
};

/* LIST_ENDS in fsnotify/task_iter.py */
enum list_end {
	LIST_NOT_READ, /* an earlier record of this pass has the waiters */
	LIST_COMPLETE,
	LIST_GOES_ON, /* the next pass lists more waiters */
	LIST_CHANGED, /* the list changed while the pass read the list */
};

struct waiter_record {
	u32 record;
	u32 tid;
	u32 pid;
	u32 is_late;
	u64 group;
	u64 since_ns;
	u64 cgroup;
	u64 comm[COMM_WORDS];
};

/* struct wait_queue_entry, include/linux/wait.h */
struct queue_entry {
	u32 flags;
	u64 task;
	u64 function;
	u64 next;
	u64 previous;
};

/* Offset of the function in struct wait_queue_entry, after flags and task. */
#define FUNCTION_OFFSET 16

/* [0]: the address of fanotify's file operations, which the first pass finds.
 */
BPF_ARRAY(file_operations, u64, 1);

/* [0]: for the first pass, a fanotify descriptor of the process that reads. */
BPF_ARRAY(own_fds, u64, 1);

static inline u64 find_cgroup(u64 task)
{
	u64 set = read_word(task + TASK_CGROUPS);
	u64 cgroup = read_word(set + CSS_SET_DFL_CGRP);

	return read_word(read_word(cgroup + CGROUP_KN) + KERNFS_NODE_ID);
}

/* Return whether the file is fanotify's. The first pass compares descriptors.
 */
static inline bool is_fanotify(u64 file, u64 task, u32 fd)
{
	u32 first = 0;
	u64 *operations = file_operations.lookup(&first);
	u64 *own_fd = own_fds.lookup(&first);
	u64 found = read_word(file + FILE_F_OP);

	if (!operations || !own_fd)
		return false;
	if (!*operations && fd == *own_fd &&
	    (u32)read_word(task + TASK_TGID) ==
		    bpf_get_current_pid_tgid() >> 32)
		*operations = found;
	return found == *operations;
}

/* Set since when the task waits. Enter a task that the map does not know, and
 * return whether it was entered.
 */
static inline bool find_since(struct waiter_record *waiter)
{
	u32 tid = waiter->tid;
	struct wait *known = waits.lookup(&tid);
	struct wait late = {
		.since_ns = bpf_ktime_get_boot_ns(),
		.group = waiter->group,
		.is_late = 1,
	};

	if (known && known->group == waiter->group) {
		waiter->since_ns = known->since_ns;
		waiter->is_late = known->is_late;
		return false;
	}
	waiter->since_ns = late.since_ns;
	waiter->is_late = 1;
	if (waits.insert(&tid, &late) == 0)
		add_usage(USAGE_WAITS, 1);
	else /* the rest of a wait whose end no program saw */
		waits.update(&tid, &late);
	return true;
}

/* Read the entry whose list_head is at this address. Return whether a task
 * waits there. If not, the task was woken up: the kernel takes the entry off
 * the list and links it to itself (list_del_init_careful()), and the task may
 * use the memory again. All entries have the same function, and are linked in
 * both directions.
 */
static inline bool read_entry(u64 address, u64 function,
			      struct queue_entry *entry)
{
	if (bpf_probe_read_kernel(entry, sizeof(*entry),
				  (void *)(address - QUEUE_ENTRY_ENTRY)))
		return false;
	return entry->function == function && entry->task &&
	       entry->next != address && read_word(entry->next + 8) == address;
}

/* List the tasks that wait, from the task that was queued first. Return a
 * negative number if a record did not fit into the reader's buffer.
 */
static inline s64 list_waiters(void *seq, struct group *group,
			       struct group_record *record)
{
	u64 head = record->group + GROUP_ACCESS_WAITQ + WAITQ_HEAD;
	u64 address = read_word(head + 8);
	u64 function = read_word(address - QUEUE_ENTRY_ENTRY + FUNCTION_OFFSET);
	struct waiter_record waiter = {
		.record = RECORD_WAITER,
		.group = record->group,
	};
	struct queue_entry entry = {};
	u32 listed;

	if (group->cursor && group->cursor_answers == group->answers &&
	    bpf_ktime_get_boot_ns() - group->cursor_ns < CURSOR_NS) {
		address = group->cursor;
		record->position = group->position;
	}
	for (listed = 0; listed < MAX_LISTED; listed++) {
		if (address == head) {
			record->end = LIST_COMPLETE;
			break;
		}
		if (!read_entry(address, function, &entry)) {
			record->end = LIST_CHANGED;
			break;
		}
		waiter.tid = read_word(entry.task + TASK_PID);
		waiter.pid = read_word(entry.task + TASK_TGID);
		if (find_since(&waiter) &&
		    !read_entry(address, function, &entry)) {
			/* The wait may have ended before it was entered. */
			forget_wait(waiter.tid);
			record->end = LIST_CHANGED;
			break;
		}
		waiter.cgroup = find_cgroup(entry.task);
		waiter.comm[0] = read_word(entry.task + TASK_COMM);
		waiter.comm[1] = read_word(entry.task + TASK_COMM + 8);
		if (bpf_seq_write(seq, &waiter, sizeof(waiter)))
			return -1;
		address = entry.previous;
	}
	if (listed == MAX_LISTED)
		record->end = address == head ? LIST_COMPLETE : LIST_GOES_ON;
	group->next_cursor = record->end == LIST_GOES_ON ? address : 0;
	return 0;
}

/* Set what the programs know of the group and its listener. The holder that the
 * pass meets first is the listener of a group that has not answered yet.
 */
static inline void describe_group(struct group *group,
				  struct group_record *record)
{
	struct listener holder = {
		.comm = {record->comm[0], record->comm[1]},
#ifdef CONTAINER
		.cgroup = record->cgroup,
#endif
		.class = record->class,
	};
	struct total *total;
	u32 index;

	if (group->total == UNKNOWN_TOTAL(record->class))
		name_listener(group, &holder);
	index = group->total;
	total = totals.lookup(&index);
	if (total && total->claimed) {
		record->listener_comm[0] = total->listener.comm[0];
		record->listener_comm[1] = total->listener.comm[1];
	}
	record->listener = group->listener;
	record->answers = group->answers;
}

int bpf_iter__task_file(u64 *ctx)
{
	u64 meta = ctx[0], task = ctx[1], file = ctx[3];
	struct group_record record = {.record = RECORD_GROUP};
	struct group *group;
	u64 pass, leader;
	void *seq;

	if (!task || !file || !is_fanotify(file, task, (u32)ctx[2]))
		return 0;
	record.group = read_word(file + FILE_PRIVATE_DATA);
	record.class = read_word(record.group + GROUP_PRIORITY);
	if (!record.class || record.class >= CLASSES)
		return 0;
	group = find_group(record.group, record.class);
	if (!group)
		return 0;
	seq = *(void **)meta;
	pass = *(u64 *)(meta + 8) + 1; /* session_id may be 0 */
	if (group->pass != pass && list_waiters(seq, group, &record) < 0)
		return 0;
	leader = read_word(task + TASK_GROUP_LEADER);
	record.holder = read_word(task + TASK_TGID);
	record.cgroup = find_cgroup(leader);
	record.comm[0] = read_word(leader + TASK_COMM);
	record.comm[1] = read_word(leader + TASK_COMM + 8);
	describe_group(group, &record);
	if (bpf_seq_write(seq, &record, sizeof(record)) ||
	    record.end == LIST_NOT_READ)
		return 0;
	group->pass = pass;
	group->cursor = group->next_cursor;
	group->cursor_ns = bpf_ktime_get_boot_ns();
	group->cursor_answers = record.answers;
	group->position = group->cursor ? record.position + MAX_LISTED : 0;
	return 0;
}
