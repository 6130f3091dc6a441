// SPDX-License-Identifier: GPL-2.0-only
/*
 * fexit on the syscall wrappers of fanotify_init(2), inotify_init1(2) and
 * inotify_init(2).
 */
#include <calls/calls.h>
#include <calls/fexit.h>

int NATIVE_WRAPPER(fanotify_init)(u64 *ctx)
{
	return on_native(FANOTIFY_INIT, WRAPPER_REGS(ctx), ctx[1]);
}

int NATIVE_WRAPPER(inotify_init1)(u64 *ctx)
{
	return on_native(INOTIFY_INIT1, WRAPPER_REGS(ctx), ctx[1]);
}

#if defined(COMPAT) && defined(COMPAT_WRAPPER)
int COMPAT_WRAPPER(fanotify_init)(u64 *ctx)
{
	return on_compat(FANOTIFY_INIT, WRAPPER_REGS(ctx), ctx[1]);
}

int COMPAT_WRAPPER(inotify_init1)(u64 *ctx)
{
	return on_compat(INOTIFY_INIT1, WRAPPER_REGS(ctx), ctx[1]);
}
#endif

/* inotify_init(2) has no arguments, so both entries share one wrapper. */
int NATIVE_WRAPPER(inotify_init)(u64 *ctx)
{
	struct arguments arguments = {.syscall = INOTIFY_INIT};

	return on_call(&arguments, ctx[1]);
}
