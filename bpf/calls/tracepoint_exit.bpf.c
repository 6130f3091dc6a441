// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit tracepoints of the syscalls. The arguments come from the saved registers
 * of the thread, which needs Linux 5.15.
 */
#include <calls/calls.h>
#include <calls/tracepoint.h>

#define ON_EXIT(name, syscall)                                                 \
	int exit_##name(struct sys_exit *ctx)                                  \
	{                                                                      \
		return on_native(syscall, user_regs(), ctx->ret);              \
	}

ON_EXIT(fanotify_mark, FANOTIFY_MARK)
ON_EXIT(fanotify_init, FANOTIFY_INIT)
ON_EXIT(inotify_init1, INOTIFY_INIT1)
ON_EXIT(inotify_init, INOTIFY_INIT)
ON_EXIT(inotify_add_watch, INOTIFY_ADD_WATCH)
