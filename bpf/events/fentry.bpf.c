// SPDX-License-Identifier: GPL-2.0-only
/*
 * fentry and fexit programs:
 *
 * int fsnotify_insert_event(struct fsnotify_group *group,
 *			     struct fsnotify_event *event,
 *			     int (*merge)(), void (*insert)())
 * int fsnotify_add_mark_locked(struct fsnotify_mark *mark, ...)
 * ssize_t fanotify_read(struct file *file, char __user *buf,
 *			 size_t count, loff_t *pos)
 * void fanotify_free_group_priv(struct fsnotify_group *group)
 */
#include <events/events.h>

#ifdef MODULE_KRETFUNC_PROBE
#define KFUNC(function) kfunc__vmlinux__##function
#define KRETFUNC(function) kretfunc__vmlinux__##function
#else
#define KFUNC(function) kfunc__##function
#define KRETFUNC(function) kretfunc__##function
#endif

#ifdef ADD_EVENT /* Linux before 5.16 */
int KRETFUNC(fsnotify_add_event)(u64 *ctx)
#else
int KRETFUNC(fsnotify_insert_event)(u64 *ctx)
#endif
{
	return count_event(ctx[0], ctx[1], ctx[4]);
}

/* Before a group's first mark the group has no events. */
int KFUNC(fsnotify_add_mark_locked)(u64 *ctx)
{
	u64 group = LOAD(u64, ctx[0], MARK_GROUP);

	return IS_FANOTIFY(group) ? name_listener(group) : 0;
}

int KFUNC(fanotify_read)(u64 *ctx)
{
	return name_listener(LOAD(u64, ctx[0], FILE_PRIVATE_DATA));
}

int KFUNC(fanotify_free_group_priv)(u64 *ctx)
{
	return retire_group(ctx[0]);
}
