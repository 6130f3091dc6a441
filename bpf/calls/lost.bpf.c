// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls whose arguments no program saw.
 */
#include <calls/calls.h>

/* enum syscall * LOST_REASONS + enum lost_reason -> calls */
BPF_F_TABLE("array", u32, u64, lost, SYSCALLS *LOST_REASONS, BPF_F_MMAPABLE);

static inline void count_lost(u32 syscall, u32 reason)
{
	u32 index = syscall * LOST_REASONS + reason;
	u64 *calls = lost.lookup(&index);

	if (calls)
		lock_xadd(calls, 1);
}
