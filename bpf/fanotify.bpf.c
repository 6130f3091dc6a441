// SPDX-License-Identifier: GPL-2.0
/*
 * Counts fanotify_mark(2) calls by thread name, flags, mask and errno.
 *
 * One body, count_call(); the hooks below it only unpack arguments. The loader
 * compiles this file with MAX_ENTRIES and one HOOK_* defined.
 *
 * A key is found through a hash, but its count lives in a slot of an array that
 * user space maps into its memory. A scrape therefore makes no bpf(2) call. It
 * must not: while the kernel copies hash elements for bpf(2) it raises
 * bpf_prog_active on that CPU, and if the reader is preempted there, perf
 * tracepoint and kprobe programs of other tasks are skipped on that CPU
 * (bpf_disable_instrumentation(), trace_call_bpf()).
 */
#include <linux/types.h>
#include <user_regs.h>

/* bcc 0.28 put the kernel module into the names of fexit programs. */
#ifdef MODULE_KRETFUNC_PROBE
#define KRETFUNC(name) kretfunc__vmlinux__##name
#else
#define KRETFUNC(name) kretfunc__##name
#endif

#define COMM_LEN 16

enum syscall {
	FANOTIFY_MARK,
	SYSCALLS,
};

enum lost_reason {
	/* Exit without its entry: under way at attach, or in_flight was full.
	 */
	LOST_NO_ENTRY,
	LOST_REASONS,
};

struct call {
	u64 mask;
	u32 flags;
	u16 error; /* errno, 0 on success */
	u16 syscall; /* enum syscall */
	char comm[COMM_LEN];
};

struct slot {
	struct call call;
	u64 created_ns; /* CLOCK_BOOTTIME of the first call */
	u64 count;
};

/* FAN_MARK_ADD, _REMOVE, _FLUSH, _MOUNT, _FILESYSTEM: the action and the type.
 */
#define KIND_FLAGS 0x193
#define OTHERS_PER_SYSCALL 64
#define FIRST_OTHER (2 * MAX_ENTRIES)
#define SLOTS (FIRST_OTHER + SYSCALLS * OTHERS_PER_SYSCALL)

/* struct call -> index of its slot. Never deleted from, so a hit stays true. */
BPF_HASH(slot_of, struct call, u32, FIRST_OTHER);

/* FIRST_OTHER claimable slots, then the fixed ones for keys that do not fit. */
BPF_F_TABLE("array", u32, struct slot, slots, SLOTS, BPF_F_MMAPABLE);

/*
 * Indexes of unclaimed slots, filled by the loader: half for keys first seen
 * from uid 0, half for the rest, so that no other user can use up root's.
 */
BPF_STACK(free_root, u32, MAX_ENTRIES);
BPF_STACK(free_user, u32, MAX_ENTRIES);

/* enum lost_reason -> calls */
BPF_F_TABLE("array", u32, u64, lost, LOST_REASONS, BPF_F_MMAPABLE);

static inline void count_lost(u32 reason)
{
	u64 *calls = lost.lookup(&reason);

	if (calls)
		lock_xadd(calls, 1);
}

/* Give a new key a slot. False: no slot is free, or the hash refused the key.
 */
static inline bool claim_slot(struct call *call, u32 *index)
{
	bool root = (u32)bpf_get_current_uid_gid() == 0;
	struct slot *slot;
	u32 *winner;

	if (root ? free_root.pop(index) : free_user.pop(index))
		return false;
	slot = slots.lookup(index);
	if (!slot)
		return false;
	slot->call = *call;
	slot->created_ns = bpf_ktime_get_boot_ns();
	if (slot_of.insert(call, index) == 0)
		return true;

	/* Another CPU was first with this key: use its slot, give ours back. */
	if (root)
		free_root.push(index, 0);
	else
		free_user.push(index, 0);
	winner = slot_of.lookup(call);
	if (!winner)
		return false;
	*index = *winner;
	return true;
}

/* The fixed slot of the call's syscall, action, mark type and success. */
static inline u32 other_slot(struct call *call)
{
	u32 kind = (call->flags & 0x3) | (call->flags & 0x80) >> 5 |
		   (call->flags & 0x10) >> 1 | (call->flags & 0x100) >> 4;
	u32 index = FIRST_OTHER + call->syscall * OTHERS_PER_SYSCALL +
		    kind * 2 + !!call->error;
	struct slot *slot = slots.lookup(&index);

	if (slot && !slot->created_ns) {
		slot->call.flags = call->flags & KIND_FLAGS;
		slot->call.error = !!call->error;
		slot->call.syscall = call->syscall;
		slot->created_ns = bpf_ktime_get_boot_ns();
	}
	return index;
}

static inline int count_call(u16 syscall, u32 flags, u64 mask, s64 result)
{
	struct call call = {
		.mask = mask,
		.flags = flags,
		.error = result < 0 ? -result : 0,
		.syscall = syscall,
	};
	struct slot *slot;
	u32 *known;
	u32 index;

	bpf_get_current_comm(call.comm, sizeof(call.comm));
	known = slot_of.lookup(&call);
	if (known)
		index = *known;
	else if (!claim_slot(&call, &index))
		index = other_slot(&call);
	slot = slots.lookup(&index);
	if (slot)
		lock_xadd(&slot->count, 1);
	return 0;
}

/*
 * syscalls:sys_enter_* and sys_exit_*, as their tracefs format files give them;
 * struct syscall_trace_enter and _exit in kernel/trace/trace.h.
 */
struct sys_enter {
	u64 common;
	s64 nr;
	u64 args[6];
};

struct sys_exit {
	u64 common;
	s64 nr;
	s64 ret;
};

static inline int count_native(struct pt_regs *regs, s64 result)
{
	return count_call(FANOTIFY_MARK, NATIVE_FLAGS(regs), NATIVE_MASK(regs),
			  result);
}

static inline int count_compat(struct pt_regs *regs, s64 result)
{
	return count_call(FANOTIFY_MARK, COMPAT_FLAGS(regs), COMPAT_MASK(regs),
			  (s32)result);
}

/* What the running thread called with: bpf_task_pt_regs() needs 5.15 and BTF.
 */
static inline struct pt_regs *user_regs(void)
{
	return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

#ifdef HOOK_FEXIT
/*
 * int do_fanotify_mark(int fanotify_fd, unsigned int flags, __u64 mask,
 *			int dfd, const char __user *pathname)
 *
 * The native and the compat entry both end here (since 4.17), so one program
 * has all arguments and the result of both. It is static: a compiler may inline
 * it, and then the wrappers are next.
 */
int KRETFUNC(do_fanotify_mark)(u64 *ctx)
{
	return count_call(FANOTIFY_MARK, ctx[1], ctx[2], (s32)ctx[5]);
}
#endif

#ifdef HOOK_FEXIT_WRAPPERS
int native_wrapper(fanotify_mark)(u64 *ctx)
{
	return count_native((struct pt_regs *)ctx[0], ctx[1]);
}

#ifdef COMPAT
int compat_wrapper(fanotify_mark)(u64 *ctx)
{
	return count_compat((struct pt_regs *)ctx[0], ctx[1]);
}
#endif
#endif

#ifdef HOOK_KRETPROBE
int mark_return(struct pt_regs *ctx)
{
	return count_native(user_regs(), REGS_RESULT(ctx));
}

int mark_return_compat(struct pt_regs *ctx)
{
	return count_compat(user_regs(), REGS_RESULT(ctx));
}
#endif

#ifdef HOOK_SYS_EXIT
int mark_exit(struct sys_exit *ctx)
{
	return count_native(user_regs(), ctx->ret);
}
#endif

#ifdef HOOK_RAW_SYS_EXIT
/*
 * Whether the running system call came by the 32-bit entry: struct thread_info,
 * first in task_struct. x86 has TS_COMPAT in status, which 5.11 moved behind
 * syscall_work (3136b93c3fb2); arm64 has TIF_32BIT in flags.
 */
static inline bool is_compat(void)
{
	void *thread_info = (void *)bpf_get_current_task();
	u32 word;

	bpf_probe_read_kernel(&word, sizeof(word),
			      thread_info + COMPAT_WORD_OFFSET);
	return word & COMPAT_BIT;
}

/*
 * Runs on every system call of the host. Number 301 is fanotify_mark for a
 * native call, and 339 is for a compat call (x86; there 301 is unlinkat).
 */
int mark_raw_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *user = (void *)ctx->args[0];
	struct pt_regs regs;
	u64 number, compat_number;

	bpf_probe_read_kernel(&number, sizeof(number), &SYSCALL_NUMBER(user));
#ifdef COMPAT_SYSCALL_NUMBER
	bpf_probe_read_kernel(&compat_number, sizeof(compat_number),
			      &COMPAT_SYSCALL_NUMBER(user));
#else
	compat_number = number;
#endif
	if (number != NATIVE_FANOTIFY_MARK &&
	    compat_number != COMPAT_FANOTIFY_MARK)
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), user);
	if (is_compat())
		return compat_number == COMPAT_FANOTIFY_MARK
			       ? count_compat(&regs, ctx->args[1])
			       : 0;
	return number == NATIVE_FANOTIFY_MARK
		       ? count_native(&regs, ctx->args[1])
		       : 0;
}
#endif

#ifdef HOOK_SYS_ENTER_EXIT
/* Kernels before 5.15: the entry keeps the arguments for the exit. */
struct mark_args {
	u64 mask;
	u64 flags;
};

/* pid_tgid -> arguments of a call between its entry and its exit */
BPF_HASH(in_flight, u64, struct mark_args, 16384);

int mark_enter(struct sys_enter *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct mark_args args = {.mask = ctx->args[2], .flags = ctx->args[1]};

	in_flight.update(&thread, &args);
	return 0;
}

int mark_exit(struct sys_exit *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct mark_args *args = in_flight.lookup(&thread);

	if (!args) {
		count_lost(LOST_NO_ENTRY);
		return 0;
	}
	count_call(FANOTIFY_MARK, args->flags, args->mask, ctx->ret);
	in_flight.delete(&thread);
	return 0;
}
#endif
