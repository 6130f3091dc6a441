/* SPDX-License-Identifier: GPL-2.0-only */
/* No program depends on the version: the loader tries each attach method. */
#ifndef STAND_IN_VERSION_H
#define STAND_IN_VERSION_H

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 10, 0)

#endif
