// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two programs on the raw tracepoint sys_exit, for kernels that preempt
 * programs on tracepoints. There the kernel skips a program on a CPU where
 * another task was preempted in the same program. The second program counts a
 * call for which the first one was skipped.
 *
 * The first program notes the thread, and the second deletes the note. The
 * kernel calls them in the order in which they were attached (func_add() in
 * kernel/tracepoint.c). A call is missed if both were skipped, or if only the
 * first was, after only the second had been skipped at the thread's last call.
 */
#include <calls/calls.h>

#define ENOENT 2

/* More notes than threads that are between the two programs. A thread whose
 * last call skipped the second program leaves its note.
 */
#define MAX_NOTED 16384

/* pid_tgid -> 1: the first program counts the thread's call. */
BPF_HASH(noted, u64, u8, MAX_NOTED);

int raw_exit_first(struct bpf_raw_tracepoint_args *ctx)
{
	bool compat_entry = false;
	u32 syscall = counted_exit(ctx, &compat_entry);
	u64 thread;
	u8 one = 1;

	if (syscall == OTHER_SYSCALL)
		return 0;
	thread = bpf_get_current_pid_tgid();
	/* Without a note the second program counts the call. */
	if (noted.update(&thread, &one) == 0)
		unpack_exit(ctx, syscall, compat_entry);
	return 0;
}

int raw_exit_second(struct bpf_raw_tracepoint_args *ctx)
{
	bool compat_entry = false;
	u32 syscall = counted_exit(ctx, &compat_entry);
	u64 thread;

	if (syscall == OTHER_SYSCALL)
		return 0;
	thread = bpf_get_current_pid_tgid();
	if (noted.delete(&thread) == -ENOENT)
		unpack_exit(ctx, syscall, compat_entry);
	return 0;
}
