// SPDX-License-Identifier: GPL-2.0
/*
 * Counts fanotify_mark(2), fanotify_init(2), inotify_init(2) and
 * inotify_init1(2) calls by thread name, arguments and errno.
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
#define CREATORS 1024

enum syscall {
	FANOTIFY_MARK,
	FANOTIFY_INIT,
	INOTIFY_INIT1,
	SYSCALLS,
	INOTIFY_INIT, /* counted as INOTIFY_INIT1 without flags */
	OTHER_SYSCALL,
};

enum lost_reason {
	/* Exit without its entry: under way at attach, in_flight was full, or
	 * seccomp refused the call, which the entry comes after.
	 */
	LOST_NO_ENTRY,
	LOST_REASONS,
};

struct call {
	u64 mask; /* of fanotify_init: event_f_flags */
#ifdef CONTAINER
	u64 cgroup; /* id in the cgroup v2 hierarchy */
#endif
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

/* The latest successful fanotify_init(2) of a process. */
struct creator {
	u64 when_ns; /* CLOCK_BOOTTIME */
	u64 pid;
	u64 ousted_ns; /* when_ns of the process whose place it took */
};

/* FAN_MARK_ADD, _REMOVE, _FLUSH, _MOUNT, _FILESYSTEM: the action and the type.
 */
#define MARK_KIND_FLAGS 0x193
/* FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT */
#define INIT_KIND_FLAGS 0xc
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

/* enum syscall * LOST_REASONS + enum lost_reason -> calls */
BPF_F_TABLE("array", u32, u64, lost, SYSCALLS *LOST_REASONS, BPF_F_MMAPABLE);

/* pid % CREATORS -> who made a group: where to look for new ones in /proc. */
BPF_F_TABLE("array", u32, struct creator, creators, CREATORS, BPF_F_MMAPABLE);

static inline void count_lost(u32 syscall, u32 reason)
{
	u32 index = syscall * LOST_REASONS + reason;
	u64 *calls = lost.lookup(&index);

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

/* The fixed slot of the call's syscall, success, and action and type or class.
 */
static inline u32 other_slot(struct call *call)
{
	bool is_mark = call->syscall == FANOTIFY_MARK;
	u32 flags = call->flags & (is_mark ? MARK_KIND_FLAGS : INIT_KIND_FLAGS);
	u32 kind = is_mark ? (flags & 0x3) | (flags & 0x80) >> 5 |
				     (flags & 0x10) >> 1 | (flags & 0x100) >> 4
			   : flags >> 2;
	u32 index = FIRST_OTHER + call->syscall * OTHERS_PER_SYSCALL +
		    kind * 2 + !!call->error;
	struct slot *slot = slots.lookup(&index);

	if (slot && !slot->created_ns) {
		slot->call.flags = flags;
		slot->call.error = !!call->error;
		slot->call.syscall = call->syscall;
		slot->created_ns = bpf_ktime_get_boot_ns();
	}
	return index;
}

/* Two that take one place at the same time may oust the same process, and one
 * of them is then missed until the next full scan.
 */
static inline void note_creator(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u32 index = pid % CREATORS;
	struct creator *creator = creators.lookup(&index);

	if (creator) {
		if (creator->pid != pid)
			creator->ousted_ns = creator->when_ns;
		creator->pid = pid;
		creator->when_ns = bpf_ktime_get_boot_ns();
	}
}

static inline int count_call(u32 syscall, u32 flags, u64 mask, s32 result)
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

	/* No kernel returns that. Seccomp answered with SIGSYS: in the place of
	 * a result stands the number of the call, on arm64 its first argument,
	 * which is a descriptor (syscall_rollback()).
	 */
	if (syscall == FANOTIFY_MARK && result > 0)
		return 0;
#ifdef CONTAINER
	call.cgroup = bpf_get_current_cgroup_id();
#endif
	bpf_get_current_comm(call.comm, sizeof(call.comm));
	known = slot_of.lookup(&call);
	if (known)
		index = *known;
	else if (!claim_slot(&call, &index))
		index = other_slot(&call);
	slot = slots.lookup(&index);
	if (slot)
		lock_xadd(&slot->count, 1);
	if (syscall == FANOTIFY_INIT && result >= 0)
		note_creator();
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

static inline int count_native(u32 syscall, struct pt_regs *regs, s32 result)
{
	u32 flags = 0;
	u64 mask = 0;

	if (syscall == FANOTIFY_MARK) {
		flags = NATIVE_ARG2(regs);
		mask = NATIVE_ARG3(regs);
	} else if (syscall == FANOTIFY_INIT) {
		flags = NATIVE_ARG1(regs);
		mask = (u32)NATIVE_ARG2(regs);
	} else if (syscall == INOTIFY_INIT1) {
		flags = NATIVE_ARG1(regs);
	} else {
		syscall = INOTIFY_INIT1;
	}
	return count_call(syscall, flags, mask, result);
}

static inline int count_compat(u32 syscall, struct pt_regs *regs, s32 result)
{
	u32 flags = 0;
	u64 mask = 0;

	if (syscall == FANOTIFY_MARK) {
		flags = COMPAT_ARG2(regs);
		mask = COMPAT_MASK(regs);
	} else if (syscall == FANOTIFY_INIT) {
		flags = COMPAT_ARG1(regs);
		mask = (u32)COMPAT_ARG2(regs);
	} else if (syscall == INOTIFY_INIT1) {
		flags = COMPAT_ARG1(regs);
	} else {
		syscall = INOTIFY_INIT1;
	}
	return count_call(syscall, flags, mask, result);
}

/* What the running thread called with: bpf_task_pt_regs() needs 5.15 and BTF.
 */
static inline struct pt_regs *user_regs(void)
{
	return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

#if defined(HOOK_FEXIT) || defined(HOOK_FEXIT_READ)
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
	return count_call(FANOTIFY_MARK, ctx[1], ctx[2], ctx[5]);
}
#endif

#if defined(HOOK_FEXIT) || defined(HOOK_FEXIT_READ) ||                         \
	defined(HOOK_FEXIT_WRAPPERS)
/*
 * long __x64_sys_fanotify_init(const struct pt_regs *regs) and its like. The
 * BTF of 5.10 knows struct pt_regs only by name, so there the verifier does not
 * let a program load that pointer: it is read from where ctx is.
 */
static inline int count_wrapper(u32 syscall, u64 *ctx, bool compat)
{
#ifdef HOOK_FEXIT_READ
	struct pt_regs copy, *regs = &copy;
	void *pointer = NULL;

	bpf_probe_read_kernel(&pointer, sizeof(pointer), ctx);
	bpf_probe_read_kernel(&copy, sizeof(copy), pointer);
#else
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
#endif
	return compat ? count_compat(syscall, regs, ctx[1])
		      : count_native(syscall, regs, ctx[1]);
}

int native_wrapper(fanotify_init)(u64 *ctx)
{
	return count_wrapper(FANOTIFY_INIT, ctx, false);
}

int native_wrapper(inotify_init1)(u64 *ctx)
{
	return count_wrapper(INOTIFY_INIT1, ctx, false);
}

#if defined(COMPAT) && defined(compat_wrapper)
int compat_wrapper(fanotify_init)(u64 *ctx)
{
	return count_wrapper(FANOTIFY_INIT, ctx, true);
}

int compat_wrapper(inotify_init1)(u64 *ctx)
{
	return count_wrapper(INOTIFY_INIT1, ctx, true);
}
#endif

/* Without arguments, so the compat entry has the same wrapper. */
int native_wrapper(inotify_init)(u64 *ctx)
{
	return count_call(INOTIFY_INIT1, 0, 0, ctx[1]);
}
#endif

#ifdef HOOK_FEXIT_WRAPPERS
int native_wrapper(fanotify_mark)(u64 *ctx)
{
	return count_wrapper(FANOTIFY_MARK, ctx, false);
}

#ifdef COMPAT
int compat_mark_wrapper(u64 *ctx)
{
	return count_wrapper(FANOTIFY_MARK, ctx, true);
}
#endif
#endif

#ifdef HOOK_KRETPROBE
#define ON_RETURN(name, count, syscall)                                        \
	int return_##name(struct pt_regs *ctx)                                 \
	{                                                                      \
		return count(syscall, user_regs(), REGS_RESULT(ctx));          \
	}

ON_RETURN(fanotify_mark, count_native, FANOTIFY_MARK)
ON_RETURN(fanotify_mark_compat, count_compat, FANOTIFY_MARK)
ON_RETURN(fanotify_init, count_native, FANOTIFY_INIT)
ON_RETURN(fanotify_init_compat, count_compat, FANOTIFY_INIT)
ON_RETURN(inotify_init1, count_native, INOTIFY_INIT1)
ON_RETURN(inotify_init1_compat, count_compat, INOTIFY_INIT1)
ON_RETURN(inotify_init, count_native, INOTIFY_INIT)
#endif

#ifdef HOOK_SYS_EXIT
#define ON_EXIT(name, syscall)                                                 \
	int exit_##name(struct sys_exit *ctx)                                  \
	{                                                                      \
		return count_native(syscall, user_regs(), ctx->ret);           \
	}
#endif

#ifdef HOOK_SYS_ENTER_EXIT
/* Kernels before 5.15: the entry keeps the arguments for the exit. */
struct arguments {
	u64 flags;
	u64 mask;
};

/* pid_tgid -> arguments of a call between its entry and its exit */
BPF_HASH(in_flight, u64, struct arguments, 16384);

static inline int keep_arguments(u64 flags, u64 mask)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct arguments arguments = {.flags = flags, .mask = mask};

	in_flight.update(&thread, &arguments);
	return 0;
}

static inline int count_kept(u32 syscall, s32 result)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct arguments *arguments = in_flight.lookup(&thread);

	if (syscall == INOTIFY_INIT)
		syscall = INOTIFY_INIT1;
	if (!arguments) {
		count_lost(syscall, LOST_NO_ENTRY);
		return 0;
	}
	count_call(syscall, arguments->flags, arguments->mask, result);
	in_flight.delete(&thread);
	return 0;
}

int enter_fanotify_mark(struct sys_enter *ctx)
{
	return keep_arguments(ctx->args[1], ctx->args[2]);
}

int enter_fanotify_init(struct sys_enter *ctx)
{
	return keep_arguments(ctx->args[0], (u32)ctx->args[1]);
}

int enter_inotify_init1(struct sys_enter *ctx)
{
	return keep_arguments(ctx->args[0], 0);
}

int enter_inotify_init(struct sys_enter *ctx)
{
	return keep_arguments(0, 0);
}

#define ON_EXIT(name, syscall)                                                 \
	int exit_##name(struct sys_exit *ctx)                                  \
	{                                                                      \
		return count_kept(syscall, ctx->ret);                          \
	}
#endif

#ifdef ON_EXIT
ON_EXIT(fanotify_mark, FANOTIFY_MARK)
ON_EXIT(fanotify_init, FANOTIFY_INIT)
ON_EXIT(inotify_init1, INOTIFY_INIT1)
ON_EXIT(inotify_init, INOTIFY_INIT)
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

static inline u32 native_syscall(u64 number)
{
	switch (number) {
	case NATIVE_FANOTIFY_MARK:
		return FANOTIFY_MARK;
	case NATIVE_FANOTIFY_INIT:
		return FANOTIFY_INIT;
	case NATIVE_INOTIFY_INIT1:
		return INOTIFY_INIT1;
#ifdef NATIVE_INOTIFY_INIT
	case NATIVE_INOTIFY_INIT:
		return INOTIFY_INIT;
#endif
	}
	return OTHER_SYSCALL;
}

static inline u32 compat_syscall(u64 number)
{
	switch (number) {
	case COMPAT_FANOTIFY_MARK:
		return FANOTIFY_MARK;
	case COMPAT_FANOTIFY_INIT:
		return FANOTIFY_INIT;
	case COMPAT_INOTIFY_INIT1:
		return INOTIFY_INIT1;
	case COMPAT_INOTIFY_INIT:
		return INOTIFY_INIT;
	}
	return OTHER_SYSCALL;
}

/*
 * Runs on every system call of the host. A number alone does not tell: 301 is
 * fanotify_mark for a native call on x86 and unlinkat for a compat call.
 */
int raw_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *user = (void *)ctx->args[0];
	struct pt_regs regs;
	u64 number, compat_number;
	u32 native, compat;

	bpf_probe_read_kernel(&number, sizeof(number), &SYSCALL_NUMBER(user));
#ifdef COMPAT_SYSCALL_NUMBER
	bpf_probe_read_kernel(&compat_number, sizeof(compat_number),
			      &COMPAT_SYSCALL_NUMBER(user));
#else
	compat_number = number;
#endif
	native = native_syscall(number);
	compat = compat_syscall(compat_number);
	if (native == OTHER_SYSCALL && compat == OTHER_SYSCALL)
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), user);
	if (is_compat()) {
		if (compat != OTHER_SYSCALL)
			count_compat(compat, &regs, ctx->args[1]);
	} else if (native != OTHER_SYSCALL) {
		count_native(native, &regs, ctx->args[1]);
	}
	return 0;
}
#endif
