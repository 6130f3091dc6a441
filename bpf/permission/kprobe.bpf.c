// SPDX-License-Identifier: GPL-2.0-only
/*
 * kprobes at the entries and return probes at the returns of the functions that
 * fentry.bpf.c names. No return probe is on a function in which a task waits.
 */
#include <permission/permission.h>
#include <user_regs.h>

int enter_prepare(struct pt_regs *ctx)
{
	return begin_wait(CURRENT_GROUP(KERNEL_ARG1(ctx)));
}

int return_prepare(struct pt_regs *ctx)
{
	if (!(u8)REGS_RESULT(ctx))
		forget_wait(bpf_get_current_pid_tgid());
	return 0;
}

int enter_finish(struct pt_regs *ctx)
{
	u64 group = CURRENT_GROUP(KERNEL_ARG1(ctx));

	return end_wait(group, GROUP_CLASS(group), current_task(),
			IS_CLOSED(group));
}

int enter_write(struct pt_regs *ctx)
{
	return begin_answer(LOAD(u64, KERNEL_ARG1(ctx), FILE_PRIVATE_DATA),
			    KERNEL_ARG2(ctx));
}

int return_write(struct pt_regs *ctx)
{
	return end_answer(REGS_RESULT(ctx));
}

int enter_free_group(struct pt_regs *ctx)
{
	return retire_group(KERNEL_ARG1(ctx));
}
