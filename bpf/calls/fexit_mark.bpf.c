// SPDX-License-Identifier: GPL-2.0-only
/*
 * fexit on the function that does the work of fanotify_mark(2):
 *
 * int do_fanotify_mark(int fanotify_fd, unsigned int flags, __u64 mask,
 *			int dfd, const char __user *pathname)
 *
 * The native and the compat entry both call do_fanotify_mark() (since 4.17), so
 * one program sees all arguments and the result of both. A compiler may inline
 * the function, which is static: then fexit_mark_wrappers.bpf.c is used.
 */
#include <calls/calls.h>
#include <calls/fexit.h>

int KRETFUNC(do_fanotify_mark)(u64 *ctx)
{
	struct arguments arguments = {
		.fd = ctx[0],
		.flags = ctx[1],
		.mask = ctx[2],
		.dirfd = ctx[3],
		.pathname = ctx[4],
		.syscall = FANOTIFY_MARK,
	};

	return on_call(&arguments, ctx[5]);
}
