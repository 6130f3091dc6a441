// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of a syscall wrapper such as
 *
 * long __x64_sys_fanotify_init(const struct pt_regs *regs)
 *
 * as a pointer of a type that the verifier knows from BTF.
 */
#include <user_regs.h>

#define WRAPPER_REGS(ctx) ((struct pt_regs *)(ctx)[0])
