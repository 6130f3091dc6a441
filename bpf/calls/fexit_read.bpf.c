// SPDX-License-Identifier: GPL-2.0-only
/*
 * WRAPPER_REGS(): a copy of the registers that a syscall wrapper gets. The BTF
 * of 5.10 declares struct pt_regs without a definition, so the verifier of 5.10
 * refuses to load ctx[0]. bpf_probe_read_kernel() reads the same pointer.
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
