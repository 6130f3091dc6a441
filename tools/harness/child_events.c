// SPDX-License-Identifier: GPL-2.0-only
/*
 * A raw tracepoint program that child_events.py runs by BPF_PROG_TEST_RUN: the
 * parts in bpf/events/, on the group behind a descriptor of the current
 * process. For kernels that refuse fentry and kprobes.
 */
enum action {
	ACTION_NAME,
	ACTION_COUNT,
	ACTION_RETIRE,
};

int act(u64 *ctx)
{
	u64 fd = ctx[0], action = ctx[1], outcome = ctx[2];
	u64 files = read_word(current_task() + TASK_FILES);
	u64 descriptors = read_word(read_word(files + FILES_FDT) + FDT_FD);
	u64 file = read_word(descriptors + 8 * fd);
	u64 group = read_word(file + FILE_PRIVATE_DATA);
	u64 event = read_word(group + GROUP_NOTIFICATION_LIST);

	if (action == ACTION_NAME)
		return IS_FANOTIFY(group) ? name_listener(group) : 0;
	if (action == ACTION_RETIRE)
		return retire_group(group);
	/* The head of an empty list is its own next. */
	if (event == group + GROUP_NOTIFICATION_LIST)
		event = 0;
	return count_event(group, event, outcome);
}
