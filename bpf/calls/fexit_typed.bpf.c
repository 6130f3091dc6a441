// SPDX-License-Identifier: GPL-2.0-only
/*
 * WRAPPER_REGS(): the registers that a syscall wrapper gets, such as
 *
 * long __x64_sys_fanotify_init(const struct pt_regs *regs)
 *
 * The verifier knows the type of the pointer from BTF.
 */
#include <user_regs.h>

#define WRAPPER_REGS(ctx) ((struct pt_regs *)(ctx)[0])
