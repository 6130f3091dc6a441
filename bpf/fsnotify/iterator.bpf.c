// SPDX-License-Identifier: GPL-2.0-only
/*
 * The task_file iterator: one pass lists each fanotify group and each inotify
 * instance with the processes that have it open.
 *
 * A pass calls the program for each open file of each process, and of each
 * thread whose descriptors are its own. A thread goes on with the descriptors
 * of its process after the first thread has ended.
 */
#include <fsnotify/process.h>

/* Records of one group or instance in a pass, beside those of privileged
 * processes: an ordinary user may have any number of processes.
 */
#define MAX_HOLDERS 4

/* Groups and instances that a pass remembers. Of more, a file that the map has
 * forgotten gets another record of the same holder.
 */
#define SEEN 16384

/* Events that are counted as unanswered of one group. */
#define MAX_UNANSWERED 1024

/* Nested user namespaces: 32, and the initial one (create_user_ns() in
 * kernel/user_namespace.c).
 */
#define MAX_LEVELS 33

enum kind {
	FANOTIFY,
	INOTIFY,
	KINDS,
};

/* Counts of a user that the kernel compares with the limits. */
enum counted {
	GROUPS_OF_USER,
	MARKS_OF_USER,
	INSTANCES_OF_USER,
	WATCHES_OF_USER,
	COUNTS,
};

/* RECORD in fsnotify/file_iter.py is the same. */
struct file_record {
	u64 address; /* of the group or the instance */
	u64 started_ns; /* CLOCK_BOOTTIME; the start of the thread tid */
	u64 cgroup; /* of the process */
	u64 comm[COMM_WORDS]; /* of the process's first thread */
	u64 counts[COUNTS]; /* of charged_uid */
	u32 kind;
	u32 fd;
	u32 tid; /* a thread whose descriptors these are */
	u32 uid; /* effective user id of the process */
	u32 is_privileged;
	u32 charged_uid; /* the user whom the kernel charges */
	u32 queue_length;
	u32 queue_limit; /* 0xffffffff if unlimited */
	u32 overflowed;
	u32 unanswered;
};

/* The holder of a group or an instance that a pass showed last, and how many of
 * ordinary users it has shown.
 */
struct seen {
	u64 pass;
	u32 tid;
	u32 holders;
};

/* [kind]: the address of the file operations, which the first pass finds. */
BPF_ARRAY(file_operations, u64, KINDS);

/* [kind]: for the first pass, a descriptor of the process that reads. */
BPF_ARRAY(own_fds, u64, KINDS);

/* By address. */
BPF_TABLE("lru_hash", u64, struct seen, seen_at, SEEN);

/* Return the kind of the file with these operations, KINDS for other files. */
static inline u32 find_kind(u64 operations)
{
	u32 kind;

	for (kind = 0; kind < KINDS; kind++) {
		u32 index = kind;
		u64 *known = file_operations.lookup(&index);

		if (known && *known == operations)
			break;
	}
	return kind;
}

/* Learn the file operations of this descriptor, if the process that reads has
 * named the descriptor.
 */
static inline void learn_operations(u64 operations, u64 task, u32 fd)
{
	for (u32 kind = 0; kind < KINDS; kind++) {
		u32 index = kind;
		u64 *known = file_operations.lookup(&index);
		u64 *own_fd = own_fds.lookup(&index);

		if (known && !*known && own_fd && *own_fd == fd &&
		    (u32)read_word(task + TASK_TGID) ==
			    bpf_get_current_pid_tgid() >> 32)
			*known = operations;
	}
}

#ifdef UCOUNT_BYTES
static inline u64 read_count(u64 ucounts, u32 type)
{
	u64 count = read_word(ucounts + UCOUNTS_UCOUNT + type * UCOUNT_BYTES);

	return UCOUNT_BYTES == 4 ? (u32)count : count;
}

/*
 * Set the counts of the user whom the kernel charges in the initial user
 * namespace: inc_ucount() in kernel/ucount.c.
 */
static inline void read_counts(struct file_record *record, u64 ucounts)
{
	for (int level = 0; level < MAX_LEVELS; level++) {
		u64 user_ns = read_word(ucounts + UCOUNTS_NS);

		if ((u32)read_word(user_ns + USER_NS_LEVEL) == 0)
			break;
		ucounts = read_word(user_ns + USER_NS_UCOUNTS);
	}
	record->charged_uid = read_word(ucounts + UCOUNTS_UID);
	record->counts[GROUPS_OF_USER] =
		read_count(ucounts, UCOUNT_FANOTIFY_GROUPS);
	record->counts[MARKS_OF_USER] =
		read_count(ucounts, UCOUNT_FANOTIFY_MARKS);
	record->counts[INSTANCES_OF_USER] =
		read_count(ucounts, UCOUNT_INOTIFY_INSTANCES);
	record->counts[WATCHES_OF_USER] =
		read_count(ucounts, UCOUNT_INOTIFY_WATCHES);
}
#endif

/* A list_head is empty if it points to itself. */
static inline bool is_linked(u64 head)
{
	return read_word(head) != head;
}

/* The walk takes no lock: it ends at an entry that was taken off the list. */
static inline u32 count_unanswered(u64 group)
{
	u64 head = group + GROUP_ACCESS_LIST;
	u64 entry = head;
	u32 count;

	for (count = 0; count < MAX_UNANSWERED; count++) {
		u64 next = read_word(entry);

		if (next == head || next == entry ||
		    read_word(next + 8) != entry)
			break;
		entry = next;
	}
	return count;
}

static inline void read_queue(struct file_record *record)
{
	u64 group = record->address;
	u64 overflow = read_word(group + GROUP_OVERFLOW_EVENT);

	record->queue_length = read_word(group + GROUP_Q_LEN);
	record->queue_limit = read_word(group + GROUP_MAX_EVENTS);
	record->overflowed = overflow && is_linked(overflow + EVENT_LIST);
	if (record->kind == FANOTIFY)
		record->unanswered = count_unanswered(group);
}

/* Set who the holder is. A holder is privileged if also the kernel charges no
 * ordinary user: a user's set-user-ID program holds what it inherited.
 */
static inline void read_holder(struct file_record *record, u64 leader)
{
	u64 cred = read_word(leader + TASK_REAL_CRED);

	record->uid = read_word(cred + CRED_EUID);
	record->is_privileged = is_privileged(cred);
#ifdef UCOUNT_BYTES
	read_counts(record, read_word(record->address +
				      (record->kind == FANOTIFY
					       ? GROUP_FANOTIFY_UCOUNTS
					       : GROUP_INOTIFY_UCOUNTS)));
	if (record->charged_uid && record->charged_uid != record->uid)
		record->is_privileged = false;
#endif
}

int bpf_iter__task_file(u64 *ctx)
{
	u64 meta = ctx[0], task = ctx[1], file = ctx[3];
	struct file_record record = {.fd = (u32)ctx[2]};
	struct seen now = {}, *seen;
	u64 operations, leader;

	if (!task || !file)
		return 0;
	/* A typed load, which is faster than the read helper. */
	operations = *(u64 *)(file + FILE_F_OP);
	record.kind = find_kind(operations);
	if (record.kind == KINDS) {
		learn_operations(operations, task, record.fd);
		return 0;
	}
	record.address = read_word(file + FILE_PRIVATE_DATA);
	record.tid = read_word(task + TASK_PID);
	now.pass = *(u64 *)(meta + 8) + 1; /* session_id may be 0 */
	now.tid = record.tid;
	seen = seen_at.lookup(&record.address);
	if (seen && seen->pass == now.pass) {
		if (seen->tid == now.tid)
			return 0;
		now.holders = seen->holders;
	}
	leader = read_word(task + TASK_GROUP_LEADER);
	read_holder(&record, leader);
	if (!record.is_privileged && now.holders++ >= MAX_HOLDERS)
		return 0;
	record.started_ns = read_word(task + TASK_START);
	record.cgroup = find_cgroup(leader);
	record.comm[0] = read_word(leader + TASK_COMM);
	record.comm[1] = read_word(leader + TASK_COMM + 8);
	read_queue(&record);
	/* If a record does not fit into the reader's buffer, the kernel calls
	 * the program again for the file, so a holder is noted after its
	 * record.
	 */
	if (bpf_seq_write(*(void **)meta, &record, sizeof(record)) == 0)
		seen_at.update(&record.address, &now);
	return 0;
}
