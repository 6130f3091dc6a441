/* SPDX-License-Identifier: GPL-2.0-only */
/* Empty. bcc includes this file, and the programs need none of its content. */
