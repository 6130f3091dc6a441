/* SPDX-License-Identifier: GPL-2.0-only */
/* bcc accepts a folder as a kernel source tree if it holds this file. */
#ifndef STAND_IN_KCONFIG_H
#define STAND_IN_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

#endif
