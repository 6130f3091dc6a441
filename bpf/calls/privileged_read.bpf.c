// SPDX-License-Identifier: GPL-2.0-only
/*
 * is_privileged() by the read helper, for kernels before 5.11.
 */
#include <calls/calls.h>

static inline u64 read_u64(u64 address)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static inline bool is_privileged(void)
{
	u64 cred = read_u64(bpf_get_current_task() + TASK_CRED);
	u64 user_ns = read_u64(cred + CRED_USER_NS);

	return IS_PRIVILEGED((u32)read_u64(cred + CRED_CAP_EFFECTIVE),
			     (u32)read_u64(user_ns + USER_NS_LEVEL));
}
