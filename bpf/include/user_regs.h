/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers that a thread saved when it entered the kernel: struct pt_regs
 * of arch/x86/include/asm/ptrace.h and arch/arm64/include/asm/ptrace.h, and
 * which of them carry what.
 *
 * A compat call has 32-bit arguments, so fanotify_mark's mask takes two: the
 * low half in the third, the high half in the fourth (SYSCALL32_DEFINE6 in
 * fs/notify/fanotify/fanotify_user.c). The pair r2, r3 of the EABI is even, so
 * arm64 too needs no padding.
 */
#ifndef USER_REGS_H
#define USER_REGS_H

#include <linux/types.h>

#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
struct pt_regs {
	u64 r15, r14, r13, r12, bp, bx;
	u64 r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax, ip, cs, flags, sp, ss;
};
#define REGS_RESULT(r) ((r)->ax)
#define NATIVE_ARG1(r) ((r)->di)
#define NATIVE_ARG2(r) ((r)->si)
#define NATIVE_ARG3(r) ((r)->dx)
#define COMPAT_ARG1(r) ((r)->bx)
#define COMPAT_ARG2(r) ((r)->cx)
#define COMPAT_ARG3(r) ((r)->dx)
#define COMPAT_ARG4(r) ((r)->si)
#define SYSCALL_NUMBER(r) ((r)->orig_ax)
#define COMPAT_BIT 0x2 /* TS_COMPAT of thread_info.status */
#define NATIVE_INOTIFY_INIT 253
#define NATIVE_INOTIFY_INIT1 294
#define NATIVE_FANOTIFY_INIT 300
#define NATIVE_FANOTIFY_MARK 301
#define COMPAT_INOTIFY_INIT 291
#define COMPAT_INOTIFY_INIT1 332
#define COMPAT_FANOTIFY_INIT 338
#define COMPAT_FANOTIFY_MARK 339
#define native_wrapper(name) KRETFUNC(__x64_sys_##name)
#define compat_wrapper(name) KRETFUNC(__ia32_sys_##name)
#define compat_mark_wrapper KRETFUNC(__ia32_compat_sys_fanotify_mark)
#elif defined(__aarch64__) || defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31], sp, pc, pstate, orig_x0;
};
#define REGS_RESULT(r) ((r)->regs[0])
#define NATIVE_ARG1(r) ((r)->orig_x0) /* the result goes into regs[0] */
#define NATIVE_ARG2(r) ((r)->regs[1])
#define NATIVE_ARG3(r) ((r)->regs[2])
#define COMPAT_ARG1(r) ((r)->orig_x0)
#define COMPAT_ARG2(r) ((r)->regs[1])
#define COMPAT_ARG3(r) ((r)->regs[2])
#define COMPAT_ARG4(r) ((r)->regs[3])
#define SYSCALL_NUMBER(r) ((r)->regs[8])
#define COMPAT_SYSCALL_NUMBER(r) ((r)->regs[7]) /* x86: the same */
#define COMPAT_BIT (1 << 22) /* TIF_32BIT of thread_info.flags */
#define NATIVE_INOTIFY_INIT1 26 /* and there is no inotify_init */
#define NATIVE_FANOTIFY_INIT 262
#define NATIVE_FANOTIFY_MARK 263
#define COMPAT_INOTIFY_INIT 316
#define COMPAT_INOTIFY_INIT1 360
#define COMPAT_FANOTIFY_INIT 367
#define COMPAT_FANOTIFY_MARK 368
/* One wrapper serves both entries, but for fanotify_mark with its u64. */
#define native_wrapper(name) KRETFUNC(__arm64_sys_##name)
#define compat_mark_wrapper KRETFUNC(__arm64_compat_sys_fanotify_mark)
#else
#error "no register layout for this architecture: only x86-64 and arm64 have one"
#endif

#define COMPAT_MASK(r) ((u32)COMPAT_ARG3(r) | (u64)(u32)COMPAT_ARG4(r) << 32)

#endif
