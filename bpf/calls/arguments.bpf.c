// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the arguments of a call from the registers with which the thread
 * entered the kernel. A part before this one defines on_call(), which counts
 * or shows a call that has returned.
 */
#include <calls/calls.h>
#include <user_regs.h>

/* Take the arguments of a call that a 64-bit program made. */
static inline int on_native(u32 syscall, struct pt_regs *regs, s32 result)
{
	struct arguments arguments = {.syscall = syscall};

	if (syscall == FANOTIFY_MARK) {
		arguments.fd = NATIVE_ARG1(regs);
		arguments.flags = NATIVE_ARG2(regs);
		arguments.mask = NATIVE_ARG3(regs);
		arguments.dirfd = NATIVE_ARG4(regs);
		arguments.pathname = NATIVE_ARG5(regs);
	} else if (syscall == FANOTIFY_INIT) {
		arguments.flags = NATIVE_ARG1(regs);
		arguments.mask = (u32)NATIVE_ARG2(regs);
	} else if (syscall == INOTIFY_INIT1) {
		arguments.flags = NATIVE_ARG1(regs);
	} else if (syscall == INOTIFY_ADD_WATCH) {
		arguments.fd = NATIVE_ARG1(regs);
		arguments.pathname = NATIVE_ARG2(regs);
		arguments.mask = (u32)NATIVE_ARG3(regs);
	}
	return on_call(&arguments, result);
}

/* Take the arguments of a call by the 32-bit compat entry. */
static inline int on_compat(u32 syscall, struct pt_regs *regs, s32 result)
{
	struct arguments arguments = {.syscall = syscall};

	if (syscall == FANOTIFY_MARK) {
		arguments.fd = COMPAT_ARG1(regs);
		arguments.flags = COMPAT_ARG2(regs);
		arguments.mask = COMPAT_MASK(regs);
		arguments.dirfd = COMPAT_ARG5(regs);
		arguments.pathname = (u32)COMPAT_ARG6(regs);
	} else if (syscall == FANOTIFY_INIT) {
		arguments.flags = COMPAT_ARG1(regs);
		arguments.mask = (u32)COMPAT_ARG2(regs);
	} else if (syscall == INOTIFY_INIT1) {
		arguments.flags = COMPAT_ARG1(regs);
	} else if (syscall == INOTIFY_ADD_WATCH) {
		arguments.fd = COMPAT_ARG1(regs);
		arguments.pathname = (u32)COMPAT_ARG2(regs);
		arguments.mask = (u32)COMPAT_ARG3(regs);
	}
	return on_call(&arguments, result);
}

/* Return the saved registers of the current thread. bpf_task_pt_regs() needs
 * Linux 5.15 and BTF.
 */
static inline struct pt_regs *user_regs(void)
{
	return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
}
