// SPDX-License-Identifier: GPL-2.0-only
/*
 * fexit on the syscall wrappers of inotify_add_watch(2). The key of a counted
 * call has no argument, so the programs read no registers.
 */
#include <calls/calls.h>
#include <calls/fexit.h>

int NATIVE_WRAPPER(inotify_add_watch)(u64 *ctx)
{
	struct arguments arguments = {.syscall = INOTIFY_ADD_WATCH};

	return on_call(&arguments, ctx[1]);
}

#if defined(COMPAT) && defined(COMPAT_WRAPPER)
int COMPAT_WRAPPER(inotify_add_watch)(u64 *ctx)
{
	struct arguments arguments = {.syscall = INOTIFY_ADD_WATCH};

	return on_call(&arguments, ctx[1]);
}
#endif
