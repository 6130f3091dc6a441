// SPDX-License-Identifier: GPL-2.0-only
/*
 * kprobes at the entries of the functions that fentry.bpf.c names, and a return
 * probe on fsnotify_insert_event(), in which no task waits.
 */
#include <events/events.h>
#include <user_regs.h>

/* Thread id -> insertion */
BPF_HASH(insertions, u32, struct insertion, INSERTIONS);

int enter_insert(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct insertion insertion = {
		.group = KERNEL_ARG1(ctx),
		.event = KERNEL_ARG2(ctx),
	};

	insertions.update(&tid, &insertion);
	return 0;
}

int return_insert(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct insertion *entered = insertions.lookup(&tid);
	struct insertion insertion;

	if (!entered) {
		count_lost(LOST_NO_ENTRY);
		return 0;
	}
	insertion = *entered;
	insertions.delete(&tid);
	return count_event(insertion.group, insertion.event, REGS_RESULT(ctx));
}

int enter_add_mark(struct pt_regs *ctx)
{
	u64 group = LOAD(u64, KERNEL_ARG1(ctx), MARK_GROUP);

	return IS_FANOTIFY(group) ? name_listener(group) : 0;
}

int enter_read(struct pt_regs *ctx)
{
	return name_listener(LOAD(u64, KERNEL_ARG1(ctx), FILE_PRIVATE_DATA));
}

int enter_free_group(struct pt_regs *ctx)
{
	return retire_group(KERNEL_ARG1(ctx));
}
