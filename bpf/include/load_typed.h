/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads of kernel structures by typed loads: the verifier knows the types of
 * the pointers from BTF. bpf_get_current_task_btf() needs Linux 5.11.
 */
#ifndef LOAD_TYPED_H
#define LOAD_TYPED_H

#include <linux/types.h>

#define LOAD(type, pointer, offset) (*(type *)((pointer) + (offset)))

static inline u64 current_task(void)
{
	return (u64)bpf_get_current_task_btf();
}

#endif
