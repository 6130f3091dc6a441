// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of a syscall wrapper, copied. The BTF of 5.10 declares struct
 * pt_regs and does not define it, so the verifier of 5.10 does not let a
 * program load the pointer in ctx[0]. bpf_probe_read_kernel() may.
 */
#include <user_regs.h>

static inline struct pt_regs *copy_regs(u64 *ctx, struct pt_regs *copy)
{
	void *pointer = NULL;

	bpf_probe_read_kernel(&pointer, sizeof(pointer), ctx);
	bpf_probe_read_kernel(copy, sizeof(*copy), pointer);
	return copy;
}

#define WRAPPER_REGS(ctx) copy_regs(ctx, &(struct pt_regs){})
