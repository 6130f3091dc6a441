// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends a record of each wanted call through a BPF ring buffer, which needs
 * Linux 5.8. The programs in the other parts unpack the arguments and call
 * on_call().
 *
 * The path is read when the call returns, from the caller's memory. The caller
 * may have changed it since the kernel looked the path up.
 */
#include <calls/calls.h>

/* Bytes of a path that a record holds, without the NUL. */
#define PATHNAME_BYTES 256

/* Members as HEADER of bpf/call_records.py unpacks them. */
struct record {
	u64 time_ns; /* CLOCK_BOOTTIME of the return */
	u64 mask;
	u64 cgroup; /* id in the cgroup v2 hierarchy */
	u32 pid;
	u32 tid;
	u32 uid;
	s32 result;
	u32 syscall; /* enum syscall */
	u32 flags;
	s32 fd;
	s32 dirfd;
	/* Bytes of the path with its NUL, PATHNAME_BYTES + 2 if it was cut;
	 * 0 for the address NULL, an errno below 0 if the kernel cannot read
	 * it.
	 */
	s32 pathname_bytes;
	char comm[COMM_LEN];
	char pathname[PATHNAME_BYTES + 2];
};

/* The properties of wanted calls. FILTER of bpf/call_records.py packs it. */
struct filter {
	u64 comm[2]; /* of TASK_COMM_LEN bytes */
	u32 members; /* enum filter_member: the members that count */
	u32 syscalls; /* 1 << enum syscall */
	u32 uid;
	u32 error;
};

enum filter_member {
	FILTER_COMM = 1,
	FILTER_UID = 2,
	FILTER_ERROR = 4,
	FILTER_FAILED = 8,
};

BPF_RINGBUF_OUTPUT(records, RING_PAGES);

BPF_ARRAY(filters, struct filter, 1);

/* 0 -> wanted calls for which the ring buffer had no room */
BPF_F_TABLE("array", u32, u64, dropped, 1, BPF_F_MMAPABLE);

static inline bool is_wanted(u32 syscall, u32 uid, u64 *comm, s32 result)
{
	u32 first = 0;
	struct filter *filter = filters.lookup(&first);

	if (!filter || !(filter->syscalls & 1 << syscall))
		return false;
	if (filter->members & FILTER_FAILED && result >= 0)
		return false;
	if (filter->members & FILTER_ERROR && filter->error != -result)
		return false;
	if (filter->members & FILTER_UID && filter->uid != uid)
		return false;
	return !(filter->members & FILTER_COMM) ||
	       (filter->comm[0] == comm[0] && filter->comm[1] == comm[1]);
}

/* Linux 5.10 returns 0 for an empty string, and not the 1 byte of the NUL. */
static inline s32 read_pathname(char *pathname, u64 address)
{
	s32 bytes = bpf_probe_read_user_str(pathname, PATHNAME_BYTES + 2,
					    (void *)address);

	return bytes ? bytes : 1;
}

static inline int on_call(struct arguments *arguments, s32 result)
{
	u32 syscall = arguments->syscall;
	u32 uid = bpf_get_current_uid_gid();
	u64 thread = bpf_get_current_pid_tgid();
	u64 comm[2] = {};
	struct record *record;
	u32 first = 0;
	u64 *calls;

	/* A call that seccomp(2) answers with SIGSYS has no result; see
	 * bpf/calls/count.bpf.c.
	 */
	if (syscall == FANOTIFY_MARK && result > 0)
		return 0;
	bpf_get_current_comm(comm, sizeof(comm));
	if (!is_wanted(syscall, uid, comm, result))
		return 0;
	record = records.ringbuf_reserve(sizeof(*record));
	if (!record) {
		calls = dropped.lookup(&first);
		if (calls)
			lock_xadd(calls, 1);
		return 0;
	}
	record->time_ns = bpf_ktime_get_boot_ns();
	record->mask = arguments->mask;
	record->cgroup = bpf_get_current_cgroup_id();
	record->pid = thread >> 32;
	record->tid = thread;
	record->uid = uid;
	record->result = result;
	record->syscall = syscall;
	record->flags = arguments->flags;
	record->fd = arguments->fd;
	record->dirfd = arguments->dirfd;
	__builtin_memcpy(record->comm, comm, sizeof(comm));
	record->pathname_bytes = 0;
	if (arguments->pathname)
		record->pathname_bytes =
			read_pathname(record->pathname, arguments->pathname);
	records.ringbuf_submit(record, 0);
	return 0;
}
