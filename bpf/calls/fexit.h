/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of fexit programs. bcc takes the kernel function that a program is for
 * from the name of the program.
 */
#ifndef FEXIT_H
#define FEXIT_H

/* Since 0.28 bcc expects the kernel module in the name, and defines
 * MODULE_KRETFUNC_PROBE.
 */
#ifdef MODULE_KRETFUNC_PROBE
#define KRETFUNC(function) kretfunc__vmlinux__##function
#else
#define KRETFUNC(function) kretfunc__##function
#endif

/* Names of the programs for the functions that native and compat calls enter.
 * fanotify_mark has a compat function of its own because of the u64 argument.
 */
#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
#define NATIVE_WRAPPER(name) KRETFUNC(__x64_sys_##name)
#define COMPAT_WRAPPER(name) KRETFUNC(__ia32_sys_##name)
#define COMPAT_MARK_WRAPPER KRETFUNC(__ia32_compat_sys_fanotify_mark)
#else
/* arm64 has one wrapper for both entries, except for fanotify_mark. */
#define NATIVE_WRAPPER(name) KRETFUNC(__arm64_sys_##name)
#define COMPAT_MARK_WRAPPER KRETFUNC(__arm64_compat_sys_fanotify_mark)
#endif

#endif
