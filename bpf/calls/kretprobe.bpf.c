// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return probes on the syscall wrappers.
 */
#include <calls/calls.h>
#include <user_regs.h>

#define ON_RETURN(name, unpack, syscall)                                       \
	int return_##name(struct pt_regs *ctx)                                 \
	{                                                                      \
		return unpack(syscall, user_regs(), REGS_RESULT(ctx));         \
	}

ON_RETURN(fanotify_mark, on_native, FANOTIFY_MARK)
ON_RETURN(fanotify_mark_compat, on_compat, FANOTIFY_MARK)
ON_RETURN(fanotify_init, on_native, FANOTIFY_INIT)
ON_RETURN(fanotify_init_compat, on_compat, FANOTIFY_INIT)
ON_RETURN(inotify_init1, on_native, INOTIFY_INIT1)
ON_RETURN(inotify_init1_compat, on_compat, INOTIFY_INIT1)
ON_RETURN(inotify_init, on_native, INOTIFY_INIT)
ON_RETURN(inotify_add_watch, on_native, INOTIFY_ADD_WATCH)
ON_RETURN(inotify_add_watch_compat, on_compat, INOTIFY_ADD_WATCH)
