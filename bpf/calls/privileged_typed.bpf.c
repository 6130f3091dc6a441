// SPDX-License-Identifier: GPL-2.0-only
/*
 * is_privileged() by typed loads: the verifier knows from BTF that the helper
 * returns a struct task_struct, so no read helper is needed, which
 * lockdown=confidentiality refuses. bpf_get_current_task_btf() needs
 * Linux 5.11.
 */
#include <calls/calls.h>

static inline bool is_privileged(void)
{
	u64 task = (u64)bpf_get_current_task_btf();
	u64 cred = *(u64 *)(task + TASK_CRED);
	u64 user_ns = *(u64 *)(cred + CRED_USER_NS);

	return IS_PRIVILEGED(*(u32 *)(cred + CRED_CAP_EFFECTIVE),
			     *(u32 *)(user_ns + USER_NS_LEVEL));
}
