// SPDX-License-Identifier: GPL-2.0-only
/*
 * One program on the raw tracepoint sys_exit, for kernels that do not preempt
 * programs on tracepoints.
 */
#include <calls/calls.h>

int raw_exit(struct bpf_raw_tracepoint_args *ctx)
{
	bool compat_entry = false;
	u32 syscall = counted_exit(ctx, &compat_entry);

	if (syscall != OTHER_SYSCALL)
		unpack_exit(ctx, syscall, compat_entry);
	return 0;
}
