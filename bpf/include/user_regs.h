/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers that the kernel saved when a thread made a system call: struct
 * pt_regs of arch/x86/include/asm/ptrace.h and arch/arm64/include/asm/ptrace.h.
 * Macros name the register of each argument, and the system calls' numbers.
 * KERNEL_ARG1 and KERNEL_ARG2 are the arguments of a kernel function, at its
 * entry.
 *
 * The arguments of a compat call are 32 bits wide, so fanotify_mark's mask
 * takes two: the third argument holds the low half, the fourth the high half
 * (SYSCALL32_DEFINE6 in fs/notify/fanotify/fanotify_user.c). The EABI's
 * register pair r2, r3 is even, so arm64 needs no padding either.
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
/* The entry of a call sets ax to -ENOSYS. */
#define IS_RESULT_SET(r) ((s32)(r)->ax != -38)
#define KERNEL_ARG1(r) ((r)->di)
#define KERNEL_ARG2(r) ((r)->si)
#define NATIVE_ARG1(r) ((r)->di)
#define NATIVE_ARG2(r) ((r)->si)
#define NATIVE_ARG3(r) ((r)->dx)
#define NATIVE_ARG4(r) ((r)->r10)
#define NATIVE_ARG5(r) ((r)->r8)
#define COMPAT_ARG1(r) ((r)->bx)
#define COMPAT_ARG2(r) ((r)->cx)
#define COMPAT_ARG3(r) ((r)->dx)
#define COMPAT_ARG4(r) ((r)->si)
#define COMPAT_ARG5(r) ((r)->di)
#define COMPAT_ARG6(r) ((r)->bp)
/* The kernel compares 32 bits of orig_ax: do_syscall_64() and
 * do_int80_emulation() take an int (arch/x86/entry/syscall_64.c and
 * syscall_32.c; 2978996f620f). Before 5.14 a native call with odd upper bits is
 * refused with ENOSYS, unless the task is traced. The raw tracepoint traces
 * every task, and syscall_trace_enter() then reads 32 bits of orig_ax.
 */
#define SYSCALL_NUMBER(r) ((r)->orig_ax)
#define X32_BIT 0x40000000 /* __X32_SYSCALL_BIT */
#define COMPAT_BIT 0x2 /* TS_COMPAT of thread_info.status */
#define NATIVE_READ 0
#define NATIVE_INOTIFY_INIT 253
#define NATIVE_INOTIFY_ADD_WATCH 254
#define NATIVE_INOTIFY_INIT1 294
#define NATIVE_FANOTIFY_INIT 300
#define NATIVE_FANOTIFY_MARK 301
#define COMPAT_INOTIFY_INIT 291
#define COMPAT_INOTIFY_ADD_WATCH 292
#define COMPAT_INOTIFY_INIT1 332
#define COMPAT_FANOTIFY_INIT 338
#define COMPAT_FANOTIFY_MARK 339
#elif defined(__aarch64__) || defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31], sp, pc, pstate, orig_x0;
	s32 syscallno;
	u32 unused; /* makes the size a multiple of 8 */
};
#define REGS_RESULT(r) ((r)->regs[0])
/* The result takes the place of the first argument. */
#define IS_RESULT_SET(r) ((r)->regs[0] != (r)->orig_x0)
#define KERNEL_ARG1(r) ((r)->regs[0])
#define KERNEL_ARG2(r) ((r)->regs[1])
#define NATIVE_ARG1(r) ((r)->orig_x0) /* the result overwrites regs[0] */
#define NATIVE_ARG2(r) ((r)->regs[1])
#define NATIVE_ARG3(r) ((r)->regs[2])
#define NATIVE_ARG4(r) ((r)->regs[3])
#define NATIVE_ARG5(r) ((r)->regs[4])
#define COMPAT_ARG1(r) ((r)->orig_x0)
#define COMPAT_ARG2(r) ((r)->regs[1])
#define COMPAT_ARG3(r) ((r)->regs[2])
#define COMPAT_ARG4(r) ((r)->regs[3])
#define COMPAT_ARG5(r) ((r)->regs[4])
#define COMPAT_ARG6(r) ((r)->regs[5])
/* el0_svc_common() copies 32 bits of x8 (compat: r7) to syscallno and runs that
 * number, which a tracer may change; arch/arm64/kernel/syscall.c.
 */
#define SYSCALL_NUMBER(r) ((r)->syscallno)
#define X32_BIT 0 /* x32 is x86's */
#define COMPAT_BIT (1 << 22) /* TIF_32BIT of thread_info.flags */
#define NATIVE_READ 63
#define NATIVE_INOTIFY_INIT1 26 /* arm64 has no native inotify_init */
#define NATIVE_INOTIFY_ADD_WATCH 27
#define NATIVE_FANOTIFY_INIT 262
#define NATIVE_FANOTIFY_MARK 263
#define COMPAT_INOTIFY_INIT 316
#define COMPAT_INOTIFY_ADD_WATCH 317
#define COMPAT_INOTIFY_INIT1 360
#define COMPAT_FANOTIFY_INIT 367
#define COMPAT_FANOTIFY_MARK 368
#else
#error "no register layout for this architecture: only x86-64 and arm64 have one"
#endif

#define COMPAT_MASK(r) ((u32)COMPAT_ARG3(r) | (u64)(u32)COMPAT_ARG4(r) << 32)

#endif
