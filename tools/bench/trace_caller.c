// SPDX-License-Identifier: Apache-2.0
/*
 * Make calls of fanotify_mark(2) that fail, at a steady rate:
 *
 *	trace_caller CALLS_PER_SECOND SECONDS
 *
 * Print the number of calls that were made. The program is behind its rate if
 * the machine is too slow, and then makes fewer calls in the time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double rate, seconds, began = now(), spent;
	long made = 0;

	if (argc != 3)
		return 2;
	rate = atof(argv[1]);
	seconds = atof(argv[2]);
	while ((spent = now() - began) < seconds) {
		for (; made < rate * spent; made++)
			syscall(SYS_fanotify_mark, -1L, FAN_MARK_ADD,
				(uint64_t)FAN_OPEN, AT_FDCWD, "/");
		usleep(1000);
	}
	printf("%ld\n", made);
	return 0;
}
