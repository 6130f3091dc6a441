// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry and exit tracepoints of the syscalls, for kernels before 5.15. The
 * program at the entry saves the arguments for the program at the exit.
 */
#include <calls/calls.h>
#include <calls/tracepoint.h>

/* Calls that may be between their entry and their exit at the same time. */
#define MAX_IN_FLIGHT 16384

struct arguments {
	u64 flags;
	u64 mask;
};

/* pid_tgid -> arguments of a call between its entry and its exit */
BPF_HASH(in_flight, u64, struct arguments, MAX_IN_FLIGHT);

static inline int save_arguments(u64 flags, u64 mask)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct arguments arguments = {.flags = flags, .mask = mask};

	in_flight.update(&thread, &arguments);
	return 0;
}

static inline int count_saved(u32 syscall, s32 result)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct arguments *arguments = in_flight.lookup(&thread);

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
	return save_arguments(ctx->args[1], ctx->args[2]);
}

int enter_fanotify_init(struct sys_enter *ctx)
{
	return save_arguments(ctx->args[0], (u32)ctx->args[1]);
}

int enter_inotify_init1(struct sys_enter *ctx)
{
	return save_arguments(ctx->args[0], 0);
}

int enter_inotify_init(struct sys_enter *ctx)
{
	return save_arguments(0, 0);
}

#define ON_EXIT(name, syscall)                                                 \
	int exit_##name(struct sys_exit *ctx)                                  \
	{                                                                      \
		return count_saved(syscall, ctx->ret);                         \
	}

ON_EXIT(fanotify_mark, FANOTIFY_MARK)
ON_EXIT(fanotify_init, FANOTIFY_INIT)
ON_EXIT(inotify_init1, INOTIFY_INIT1)
ON_EXIT(inotify_init, INOTIFY_INIT1)

/* The key of a call has no argument, so no program is at the entry. */
int exit_inotify_add_watch(struct sys_exit *ctx)
{
	return count_call(INOTIFY_ADD_WATCH, 0, 0, ctx->ret);
}
