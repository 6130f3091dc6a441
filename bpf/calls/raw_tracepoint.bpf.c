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
