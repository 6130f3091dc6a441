/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both iterators tell of a process. The loader defines the offsets.
 */
#ifndef FSNOTIFY_PROCESS_H
#define FSNOTIFY_PROCESS_H

#include <read_word.h>

/* TASK_COMM_LEN in include/linux/sched.h, in words of 8 bytes. */
#define COMM_WORDS 2

/* CAP_SYS_ADMIN in include/uapi/linux/capability.h */
#define CAP_SYS_ADMIN_BIT (1ULL << 21)

/* As parse_credentials() in procfs/process.py. */
static inline bool is_privileged(u64 cred)
{
	u64 user_ns = read_word(cred + CRED_USER_NS);
	u64 capabilities = read_word(cred + CRED_CAP_EFFECTIVE);
	u32 uid = read_word(cred + CRED_UID);
	u32 effective = read_word(cred + CRED_EUID);
	u32 saved = read_word(cred + CRED_SUID);

	return (capabilities & CAP_SYS_ADMIN_BIT) &&
	       (u32)read_word(user_ns + USER_NS_LEVEL) == 0 &&
	       uid == effective && saved == effective;
}

static inline u64 find_cgroup(u64 task)
{
	u64 set = read_word(task + TASK_CGROUPS);
	u64 cgroup = read_word(set + CSS_SET_DFL_CGRP);

	return read_word(read_word(cgroup + CGROUP_KN) + KERNFS_NODE_ID);
}

#endif
