/* SPDX-License-Identifier: GPL-2.0 */
/* bcc includes this file; nothing of it is used here. */
