/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads of kernel structures by the read helper, which takes any address. */
#ifndef LOAD_READ_H
#define LOAD_READ_H

#include <linux/types.h>

#define LOAD(type, pointer, offset)                                            \
	({                                                                     \
		type value = 0;                                                \
		bpf_probe_read_kernel(&value, sizeof(value),                   \
				      (void *)((pointer) + (offset)));         \
		value;                                                         \
	})

static inline u64 current_task(void)
{
	return bpf_get_current_task();
}

#endif
