/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef READ_WORD_H
#define READ_WORD_H

#include <linux/types.h>

/* Return the word of kernel memory at this address, 0 if the kernel refuses. */
static inline u64 read_word(u64 address)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

#endif
