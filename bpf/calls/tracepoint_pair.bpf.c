// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry and exit tracepoints of the syscalls, for kernels before 5.15. The
 * program at the entry saves the arguments for the program at the exit.
 */
#include <calls/calls.h>
#include <calls/tracepoint.h>

/* Calls that may be between their entry and their exit at the same time. */
#define MAX_IN_FLIGHT 16384

/* pid_tgid -> arguments of a call between its entry and its exit */
BPF_HASH(in_flight, u64, struct arguments, MAX_IN_FLIGHT);

static inline int save(struct arguments *arguments)
{
	u64 thread = bpf_get_current_pid_tgid();

	in_flight.update(&thread, arguments);
	return 0;
}

/* If the kernel skipped the exit of the thread's last call and the entry of
 * this one, the arguments are those of the last call, and are of no use.
 */
static inline int on_saved(u32 syscall, s32 result)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct arguments *arguments = in_flight.lookup(&thread);

	if (arguments && arguments->syscall == syscall)
		on_call(arguments, result);
	else
		count_lost(syscall == INOTIFY_INIT ? INOTIFY_INIT1 : syscall,
			   LOST_NO_ENTRY);
	in_flight.delete(&thread);
	return 0;
}

int enter_fanotify_mark(struct sys_enter *ctx)
{
	struct arguments arguments = {
		.fd = ctx->args[0],
		.flags = ctx->args[1],
		.mask = ctx->args[2],
		.dirfd = ctx->args[3],
		.pathname = ctx->args[4],
		.syscall = FANOTIFY_MARK,
	};

	return save(&arguments);
}

int enter_fanotify_init(struct sys_enter *ctx)
{
	struct arguments arguments = {
		.flags = ctx->args[0],
		.mask = (u32)ctx->args[1],
		.syscall = FANOTIFY_INIT,
	};

	return save(&arguments);
}

int enter_inotify_init1(struct sys_enter *ctx)
{
	struct arguments arguments = {
		.flags = ctx->args[0],
		.syscall = INOTIFY_INIT1,
	};

	return save(&arguments);
}

int enter_inotify_init(struct sys_enter *ctx)
{
	struct arguments arguments = {.syscall = INOTIFY_INIT};

	return save(&arguments);
}

int enter_inotify_add_watch(struct sys_enter *ctx)
{
	struct arguments arguments = {
		.fd = ctx->args[0],
		.pathname = ctx->args[1],
		.mask = (u32)ctx->args[2],
		.syscall = INOTIFY_ADD_WATCH,
	};

	return save(&arguments);
}

#define ON_EXIT(name, syscall)                                                 \
	int exit_##name(struct sys_exit *ctx)                                  \
	{                                                                      \
		return on_saved(syscall, ctx->ret);                            \
	}

ON_EXIT(fanotify_mark, FANOTIFY_MARK)
ON_EXIT(fanotify_init, FANOTIFY_INIT)
ON_EXIT(inotify_init1, INOTIFY_INIT1)
ON_EXIT(inotify_init, INOTIFY_INIT)
ON_EXIT(inotify_add_watch, INOTIFY_ADD_WATCH)

/* The key of a counted call has no argument, so no program is at the entry. */
int exit_inotify_add_watch_alone(struct sys_exit *ctx)
{
	struct arguments arguments = {.syscall = INOTIFY_ADD_WATCH};

	return on_call(&arguments, ctx->ret);
}
