// SPDX-License-Identifier: GPL-2.0-only
/*
 * fentry and fexit programs:
 *
 * bool fsnotify_prepare_user_wait(struct fsnotify_iter_info *iter_info)
 * void fsnotify_finish_user_wait(struct fsnotify_iter_info *iter_info)
 * ssize_t fanotify_write(struct file *file, const char __user *buf,
 *			  size_t count, loff_t *pos)
 * void fanotify_free_group_priv(struct fsnotify_group *group)
 */
#include <permission/permission.h>

#ifdef MODULE_KRETFUNC_PROBE
#define KFUNC(function) kfunc__vmlinux__##function
#define KRETFUNC(function) kretfunc__vmlinux__##function
#else
#define KFUNC(function) kfunc__##function
#define KRETFUNC(function) kretfunc__##function
#endif

int KRETFUNC(fsnotify_prepare_user_wait)(u64 *ctx)
{
	u64 group = CURRENT_GROUP(ctx[0]);

	if (!(u8)ctx[1])
		return 0;
#ifdef ENTERS_GROUPS
	find_group(group, GROUP_CLASS(group));
#endif
	return begin_wait(group);
}

int KFUNC(fsnotify_finish_user_wait)(u64 *ctx)
{
	u64 group = CURRENT_GROUP(ctx[0]);

	return end_wait(group, GROUP_CLASS(group), current_task(),
			IS_CLOSED(group));
}

int KFUNC(fanotify_write)(u64 *ctx)
{
	return begin_answer(LOAD(u64, ctx[0], FILE_PRIVATE_DATA), ctx[1]);
}

int KRETFUNC(fanotify_write)(u64 *ctx)
{
	return end_answer(ctx[4]);
}

int KFUNC(fanotify_free_group_priv)(u64 *ctx)
{
	return retire_group(ctx[0]);
}
