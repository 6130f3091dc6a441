// SPDX-License-Identifier: Apache-2.0
/*
 * The start of both programs: compiled.py joins their sources.
 *
 * A process that waits for a listener can be ended only by a signal that kills.
 * So each process sets a watchdog, the default action of SIGALRM, and asks for
 * SIGKILL when its parent ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/types.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES (64 * 1024)

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* End this process after *seconds*, and when its parent ends. */
static void watch(unsigned int seconds)
{
	signal(SIGALRM, SIG_DFL);
	alarm(seconds);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Each held event has a descriptor, and so has each open that waits. */
static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static pthread_t start_thread(void *(*run)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	error = pthread_create(&thread, &attributes, run, argument);
	if (error) {
		fprintf(stderr, "pthread_create: %s\n", strerror(error));
		exit(2);
	}
	return thread;
}
