// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the arguments of a call from the registers with which the thread
 * entered the kernel, and counts the call. No argument of inotify_add_watch(2)
 * is part of a key.
 */
#include <calls/calls.h>
#include <user_regs.h>

/* Count a call that a 64-bit program made. */
static inline int count_native(u32 syscall, struct pt_regs *regs, s32 result)
{
	u32 flags = 0;
	u64 mask = 0;

	if (syscall == FANOTIFY_MARK) {
		flags = NATIVE_ARG2(regs);
		mask = NATIVE_ARG3(regs);
	} else if (syscall == FANOTIFY_INIT) {
		flags = NATIVE_ARG1(regs);
		mask = (u32)NATIVE_ARG2(regs);
	} else if (syscall == INOTIFY_INIT1) {
		flags = NATIVE_ARG1(regs);
	} else if (syscall == INOTIFY_INIT) {
		syscall = INOTIFY_INIT1;
	}
	return count_call(syscall, flags, mask, result);
}

/* Count a call by the 32-bit compat entry. */
static inline int count_compat(u32 syscall, struct pt_regs *regs, s32 result)
{
	u32 flags = 0;
	u64 mask = 0;

	if (syscall == FANOTIFY_MARK) {
		flags = COMPAT_ARG2(regs);
		mask = COMPAT_MASK(regs);
	} else if (syscall == FANOTIFY_INIT) {
		flags = COMPAT_ARG1(regs);
		mask = (u32)COMPAT_ARG2(regs);
	} else if (syscall == INOTIFY_INIT1) {
		flags = COMPAT_ARG1(regs);
	} else if (syscall == INOTIFY_INIT) {
		syscall = INOTIFY_INIT1;
	}
	return count_call(syscall, flags, mask, result);
}

/* Return the saved registers of the current thread. bpf_task_pt_regs() needs
 * Linux 5.15 and BTF.
 */
static inline struct pt_regs *user_regs(void)
{
	return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
}
