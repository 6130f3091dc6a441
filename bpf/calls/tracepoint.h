/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the tracepoints syscalls:sys_enter_* and syscalls:sys_exit_*, as
 * their format files in tracefs describe them; struct syscall_trace_enter and
 * struct syscall_trace_exit in kernel/trace/trace.h.
 */
#ifndef TRACEPOINT_H
#define TRACEPOINT_H

#include <linux/types.h>

struct sys_enter {
	u64 common;
	s64 nr;
	u64 args[6];
};

struct sys_exit {
	u64 common;
	s64 nr;
	s64 ret;
};

#endif
