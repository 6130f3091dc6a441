/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers that a thread saved when it entered the kernel: struct pt_regs
 * of arch/x86/include/asm/ptrace.h and arch/arm64/include/asm/ptrace.h, and
 * which of them carry the arguments of a native system call.
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
#define SYSCALL_ARG2(regs) ((regs)->si)
#define SYSCALL_ARG3(regs) ((regs)->dx)
#elif defined(__aarch64__) || defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31], sp, pc, pstate, orig_x0;
};
#define SYSCALL_ARG2(regs) ((regs)->regs[1])
#define SYSCALL_ARG3(regs) ((regs)->regs[2])
#else
#error "no register layout for this architecture: only x86-64 and arm64 have one"
#endif

#endif
