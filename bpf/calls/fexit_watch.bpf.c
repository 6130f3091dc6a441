// SPDX-License-Identifier: GPL-2.0-only
/*
 * fexit on the syscall wrappers of inotify_add_watch(2).
 */
#include <calls/calls.h>
#include <calls/fexit.h>

int NATIVE_WRAPPER(inotify_add_watch)(u64 *ctx)
{
	return on_native(INOTIFY_ADD_WATCH, WRAPPER_REGS(ctx), ctx[1]);
}

#if defined(COMPAT) && defined(COMPAT_WRAPPER)
int COMPAT_WRAPPER(inotify_add_watch)(u64 *ctx)
{
	return on_compat(INOTIFY_ADD_WATCH, WRAPPER_REGS(ctx), ctx[1]);
}
#endif
