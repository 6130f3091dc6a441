// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers: fanotify_write() in the listener, at its entry and its return.
 *
 * The entry counts an answer before the kernel wakes the waiter, so that the
 * end of the wait finds the answer. The return takes back what the kernel did
 * not accept.
 */
#include <permission/permission.h>

/* struct fanotify_response and its flags, include/uapi/linux/fanotify.h */
struct fanotify_response {
	s32 fd;
	u32 response;
};
#define FAN_ALLOW 0x1
#define FAN_DENY 0x2
#define FAN_ERRNO_SHIFT 24

/* Thread id -> answer */
BPF_HASH(answers, u32, struct answer, WRITERS);

static inline u32 find_response(u32 response)
{
	if (response & FAN_ALLOW)
		return RESPONSE_ALLOW;
	switch (response >> FAN_ERRNO_SHIFT) {
	case 0:
	case 1:
		return RESPONSE_EPERM;
	case 5:
		return RESPONSE_EIO;
	case 11:
		return RESPONSE_EAGAIN;
	case 16:
		return RESPONSE_EBUSY;
	case 26:
		return RESPONSE_ETXTBSY;
	case 28:
		return RESPONSE_ENOSPC;
	case 122:
		return RESPONSE_EDQUOT;
	default:
		return RESPONSE_OTHER;
	}
}

/* Name the group's listener after the first thread of the current process. */
static inline void name_answerer(struct group *group)
{
	struct listener listener = {.class = group->class};

	read_leader_comm(current_task(), listener.comm);
#ifdef CONTAINER
	listener.cgroup = bpf_get_current_cgroup_id();
#endif
	name_listener(group, &listener);
	group->listener = bpf_get_current_pid_tgid() >> 32;
}

static inline int begin_answer(u64 address, u64 buffer)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct fanotify_response response = {};
	struct answer answer = {
		.credit.group = address,
		.kind = ANSWER_LOOSE,
		.response = RESPONSES,
	};
	u32 class = answered_class(address);
	struct group *group;

	if (!class)
		return 0;
	group = find_group(address, class);
	if (group)
		name_answerer(group);
	if (!bpf_probe_read_user(&response, sizeof(response), (void *)buffer)) {
		/* Without a descriptor the listener only asks what the kernel
		 * can do: FAN_NOFD with FAN_INFO.
		 */
		if (response.fd < 0)
			return 0;
		answer.response = find_response(response.response);
		answer.kind = find_kind(&answer.credit, response.fd);
	}
	if (group && answer.kind == ANSWER_LOOSE)
		lock_xadd(&group->loose_answers, 1);
	if (answers.update(&tid, &answer))
		count_lost(LOST_WRITERS_FULL);
	return 0;
}

static inline int end_answer(s64 result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct answer *answer = answers.lookup(&tid);
	u32 index = OTHER_TOTAL(CLASS_CONTENT);
	struct group *group;
	struct total *total;
	u32 response;

	if (!answer)
		return 0;
	group = group_of.lookup(&answer->credit.group);
	if (group)
		index = group->total;
	if (result < 0) {
		if (answer->kind == ANSWER_CREDITED)
			credits.delete(&answer->credit);
		else if (group && answer->kind == ANSWER_LOOSE)
			lock_xadd(&group->loose_answers, -1);
	} else {
		if (group)
			lock_xadd(&group->answers, 1);
		total = totals.lookup(&index);
		response = answer->response;
		if (response >= RESPONSES)
			count_lost(LOST_UNREAD);
		else if (total)
			lock_xadd(&total->responses[response], 1);
	}
	answers.delete(&tid);
	return 0;
}
