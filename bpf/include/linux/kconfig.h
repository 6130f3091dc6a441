/* SPDX-License-Identifier: GPL-2.0 */
/* bcc takes a folder that holds this file for a kernel source tree. */
#ifndef STAND_IN_KCONFIG_H
#define STAND_IN_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

#endif
