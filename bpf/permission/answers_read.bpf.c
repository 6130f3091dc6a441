// SPDX-License-Identifier: GPL-2.0-only
/*
 * Facts about an answer that only the read helper can tell: the class of the
 * group, whose address is no typed pointer, the process that the answer is for,
 * and whether its task was killed.
 *
 * The listener's read moved the event to the group's access_list, and
 * process_access_response() finds the event there by the descriptor. If the
 * waiter was killed meanwhile, the state is FAN_EVENT_CANCELED
 * (fanotify_get_response() in fs/notify/fanotify/fanotify.c).
 */
#include <permission/permission.h>

#define FAN_EVENT_CANCELED 3

/* Events that the listener has read and not answered, before this one. Behind
 * more, the process is not found.
 */
#define MAX_UNANSWERED 128

static inline u64 read_word(u64 address)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static inline u32 answered_class(u64 group)
{
	return read_word(group + GROUP_PRIORITY);
}

/* Leave a credit for the process of the event with this descriptor. */
static inline u32 find_kind(struct credit *credit, s32 fd)
{
	u64 head = credit->group + GROUP_ACCESS_LIST;
	u64 event = read_word(head);
	s32 event_fd = -1;
	u16 state = 0;

	for (int i = 0; i < MAX_UNANSWERED; i++) {
		if (event == head || !event)
			break;
		event -= EVENT_LIST;
		bpf_probe_read_kernel(&event_fd, sizeof(event_fd),
				      (void *)(event + EVENT_FD));
		if (event_fd == fd) {
			bpf_probe_read_kernel(&state, sizeof(state),
					      (void *)(event + EVENT_STATE));
			credit->pid = read_word(event + EVENT_PID);
			break;
		}
		event = read_word(event + EVENT_LIST);
	}
	if (state == FAN_EVENT_CANCELED)
		return ANSWER_TO_KILLED;
	if (credit->pid && give_credit(credit))
		return ANSWER_CREDITED;
	return ANSWER_LOOSE;
}
