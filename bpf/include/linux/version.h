/* SPDX-License-Identifier: GPL-2.0 */
/* Programs here never branch on a version: features are found by attaching. */
#ifndef STAND_IN_VERSION_H
#define STAND_IN_VERSION_H

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 10, 0)

#endif
