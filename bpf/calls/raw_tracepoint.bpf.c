// SPDX-License-Identifier: GPL-2.0-only
/*
 * The raw tracepoint sys_exit. The program runs on every system call of the
 * host and selects the counted calls by number.
 *
 * The number alone does not identify a call: 301 is fanotify_mark for a native
 * call on x86 and unlinkat for a compat call.
 */
#include <calls/calls.h>
#include <user_regs.h>

#define ENOSYS 38

static inline u32 read_word(const void *address)
{
	u32 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), address);
	return word;
}

/*
 * Return whether the current system call came by the 32-bit entry.
 *
 * The bit is in struct thread_info, the first member of task_struct: on x86
 * TS_COMPAT in status, which 5.11 moved behind syscall_work (3136b93c3fb2), on
 * arm64 TIF_32BIT in flags. The loader defines the offset of the member.
 */
static inline bool is_compat(void)
{
	void *thread_info = (void *)bpf_get_current_task();

	return read_word(thread_info + COMPAT_WORD_OFFSET) & COMPAT_BIT;
}

/* Return the call with *number* by the 64-bit entry, by x32 too: x32 has the
 * same numbers and registers for the counted calls ("common" in
 * arch/x86/entry/syscalls/syscall_64.tbl), and adds bit 30.
 */
static inline u32 native_syscall(u32 number)
{
	switch (number & ~X32_BIT) {
	case NATIVE_FANOTIFY_MARK:
		return FANOTIFY_MARK;
	case NATIVE_FANOTIFY_INIT:
		return FANOTIFY_INIT;
	case NATIVE_INOTIFY_INIT1:
		return INOTIFY_INIT1;
	case NATIVE_INOTIFY_ADD_WATCH:
		return INOTIFY_ADD_WATCH;
#ifdef NATIVE_INOTIFY_INIT
	case NATIVE_INOTIFY_INIT:
		return INOTIFY_INIT;
#endif
	}
	return OTHER_SYSCALL;
}

static inline u32 compat_syscall(u32 number)
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
	case COMPAT_INOTIFY_ADD_WATCH:
		return INOTIFY_ADD_WATCH;
	}
	return OTHER_SYSCALL;
}

/*
 * Return the system call that ends, or OTHER_SYSCALL.
 *
 * For other calls this function only reads and compares one word, because a
 * preempted program hides the calls of other tasks on the CPU (missed_runs.py).
 */
static inline u32 counted_exit(struct bpf_raw_tracepoint_args *ctx,
			       bool *compat_entry)
{
	struct pt_regs *user = (void *)ctx->args[0];
	/* The low half of a u64 is first on x86 and arm64. */
	u32 number = read_word(&SYSCALL_NUMBER(user));
	u32 native = native_syscall(number), compat = compat_syscall(number);

	if (native == OTHER_SYSCALL && compat == OTHER_SYSCALL)
		return OTHER_SYSCALL;
	*compat_entry = is_compat();
	if (*compat_entry)
		return compat;
	/* A kernel without x32 runs no function for bit 30, and answers ENOSYS:
	 * do_syscall_x32() in arch/x86/entry/syscall_64.c, formerly in
	 * common.c. No counted call fails with ENOSYS by itself.
	 */
	if (number & X32_BIT && (s32)ctx->args[1] == -ENOSYS)
		return OTHER_SYSCALL;
	return native;
}

static inline int unpack_exit(struct bpf_raw_tracepoint_args *ctx, u32 syscall,
			      bool compat_entry)
{
	struct pt_regs regs;

	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)ctx->args[0]);
	return compat_entry ? on_compat(syscall, &regs, ctx->args[1])
			    : on_native(syscall, &regs, ctx->args[1]);
}
