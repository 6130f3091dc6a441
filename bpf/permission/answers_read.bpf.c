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
#include <read_word.h>

#define FAN_EVENT_REPORTED 1
#define FAN_EVENT_CANCELED 3

/* Events that the listener has read and not answered, before this one. Behind
 * more, the process is not found.
 */
#define MAX_UNANSWERED 128

static inline u32 answered_class(u64 group)
{
	return read_word(group + GROUP_PRIORITY);
}

static inline s32 read_fd(u64 event)
{
	return (s32)read_word(event + EVENT_FD);
}

/*
 * Return whether the event is in the list of events that wait for an answer,
 * and has this descriptor and process.
 *
 * The walk over the list takes no lock. While another thread's answer takes an
 * event off the list, the walk may go astray, into memory that is used again.
 * The event of this answer stands still: its task waits for this answer.
 */
static inline bool is_answered(u64 event, s32 fd, u64 pid, u16 state)
{
	u64 node = event + EVENT_LIST;
	u64 next = read_word(node);

	return (state == FAN_EVENT_REPORTED || state == FAN_EVENT_CANCELED) &&
	       next != node && read_word(next + 8) == node &&
	       read_fd(event) == fd && read_word(event + EVENT_PID) == pid;
}

/* Leave a credit for the process of the event with this descriptor. */
static inline u32 find_kind(struct credit *credit, s32 fd)
{
	u64 head = credit->group + GROUP_ACCESS_LIST;
	u64 node = read_word(head);
	u64 event = 0;
	u16 state;

	for (int i = 0; i < MAX_UNANSWERED; i++) {
		if (node == head || !node)
			return ANSWER_LOOSE;
		event = node - EVENT_LIST;
		if (read_fd(event) == fd)
			break;
		node = read_word(node);
	}
	state = (u16)read_word(event + EVENT_STATE);
	credit->pid = read_word(event + EVENT_PID);
	if (!is_answered(event, fd, credit->pid, state))
		return ANSWER_LOOSE;
	if (state == FAN_EVENT_CANCELED)
		return ANSWER_TO_KILLED;
	return give_credit(credit) ? ANSWER_CREDITED : ANSWER_LOOSE;
}
