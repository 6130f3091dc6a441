// SPDX-License-Identifier: GPL-2.0-only
/*
 * fexit on the two syscall wrappers of fanotify_mark(2).
 */
#include <calls/calls.h>
#include <calls/fexit.h>

int NATIVE_WRAPPER(fanotify_mark)(u64 *ctx)
{
	return on_native(FANOTIFY_MARK, WRAPPER_REGS(ctx), ctx[1]);
}

#ifdef COMPAT
int COMPAT_MARK_WRAPPER(u64 *ctx)
{
	return on_compat(FANOTIFY_MARK, WRAPPER_REGS(ctx), ctx[1]);
}
#endif
