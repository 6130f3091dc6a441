/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types and bounds that the parts in bpf/calls/ share.
 *
 * The loader joins the .bpf.c parts of an attach method into one text, because
 * bcc rewrites map accesses and finds programs in the main file only. A header
 * may hold types and macros, but no map and no program.
 */
#ifndef CALLS_H
#define CALLS_H

#include <linux/types.h>

/* TASK_COMM_LEN in include/linux/sched.h. */
#define COMM_LEN 16

/* A fixed slot for each combination of action, type and success of a syscall,
 * see other_slot(): 5 bits of flags and 1 bit for success.
 */
#define OTHER_SLOTS_PER_SYSCALL 64

/* The loader defines MAX_ENTRIES, the number of slots for keys of privileged
 * callers, MAX_USER_ENTRIES, the number of slots for keys of all others, and
 * MAX_WATCH_ENTRIES, the number of slots for inotify_add_watch(2).
 */
#define FIRST_OTHER_SLOT (MAX_ENTRIES + MAX_USER_ENTRIES + MAX_WATCH_ENTRIES)
#define SLOTS (FIRST_OTHER_SLOT + SYSCALLS * OTHER_SLOTS_PER_SYSCALL)

/* Whether a thread has CAP_SYS_ADMIN in the initial user namespace.
 * capabilities is the first word of cred->cap_effective, which 6.3 changed from
 * u32[2] to u64; both architectures are little-endian. level is 0 for the
 * initial namespace only (create_user_ns() in kernel/user_namespace.c).
 */
#define CAP_SYS_ADMIN 21
#define IS_PRIVILEGED(capabilities, level)                                     \
	((level) == 0 && ((capabilities) >> CAP_SYS_ADMIN & 1))

/* The flags that say what a fanotify_mark(2) call does: FAN_MARK_ADD,
 * FAN_MARK_REMOVE, FAN_MARK_FLUSH, FAN_MARK_MOUNT and FAN_MARK_FILESYSTEM.
 */
#define MARK_KIND_FLAGS 0x193

/* The flags that say what a fanotify_init(2) call makes: FAN_CLASS_CONTENT and
 * FAN_CLASS_PRE_CONTENT.
 */
#define INIT_KIND_FLAGS 0xc

/* A number less than SYSCALLS is an index into SYSCALLS of bpf/loaded.py. */
enum syscall {
	FANOTIFY_MARK,
	FANOTIFY_INIT,
	INOTIFY_INIT1,
	INOTIFY_ADD_WATCH,
	SYSCALLS,
	INOTIFY_INIT, /* counted as INOTIFY_INIT1 without flags */
	OTHER_SYSCALL,
};

/* LOST_REASONS in loader/maps.py has the names, in this order. */
enum lost_reason {
	/* The exit of a call was seen and its entry was not: the call began
	 * before the programs were attached, in_flight was full, the kernel
	 * skipped the entry program, or seccomp(2) refused the call. Seccomp
	 * acts before the entry tracepoint.
	 */
	LOST_NO_ENTRY,
	LOST_REASONS,
};

/*
 * The call and its arguments, as wide as the kernel takes them. A member that
 * the call does not have is 0.
 */
struct arguments {
	u64 mask; /* fanotify_init(2): event_f_flags */
	u64 pathname; /* an address of the caller */
	s32 fd; /* of the fanotify group or the inotify instance */
	u32 flags;
	s32 dirfd;
	u32 syscall; /* enum syscall. Verifiers before 6.3 refuse a hole here.
		      */
};

/* Keys of inotify_add_watch(2) have the comm and the error only. */
struct call {
	u64 mask; /* fanotify_init(2): event_f_flags */
#ifdef CONTAINER
	u64 cgroup; /* id in the cgroup v2 hierarchy */
#endif
	u32 flags;
	u16 error; /* errno, 0 on success */
	u16 syscall; /* enum syscall */
	char comm[COMM_LEN];
};

/* While count is 0, the key may change: claim_slot() gives a slot back if
 * another CPU inserted the same key first. Once count is above 0, the key is
 * complete and never changes. User space reads count, the first member, of all
 * slots before any key.
 */
struct slot {
	u64 count;
	struct call call;
	u64 created_ns; /* CLOCK_BOOTTIME of the first call */
};

#endif
