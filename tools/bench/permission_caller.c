// SPDX-License-Identifier: Apache-2.0
/*
 * Measure an open(2) and close(2) of a file in the working folder:
 *
 *	unmarked	CPU time, before any permission mark exists
 *	round_trip	time with a permission listener, a second thread that
 *			allows each open at once
 *
 * Both threads run on one processor, so that a round trip has two switches
 * between them and no wake-up of another processor. Threads, because a switch
 * between processes takes ten times longer in an emulated guest, and hides the
 * cost of programs. A watchdog ends the process: the kernel then allows the
 * waiting open.
 *
 * Print one JSON object: figures in ns, and the number of opens that waited. A
 * figure is the lower quartile of batches that are shorter than a time slice of
 * the scheduler: other work of the host makes a batch longer, never shorter.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "opened"
#define BATCHES 1000
/* 10,000 opens of each kind. */
#define OPENS 10
#define WATCHDOG_SECONDS 60

static double batches[BATCHES];

static double now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void open_once(void)
{
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("permission_caller: open");
	close(fd);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Return the lower quartile of the batches, in ns for an open. */
static double time_opens(clockid_t clock)
{
	double start;

	for (int batch = 0; batch < BATCHES; batch++) {
		start = now_ns(clock);
		for (int i = 0; i < OPENS; i++)
			open_once();
		batches[batch] = (now_ns(clock) - start) / OPENS;
	}
	qsort(batches, BATCHES, sizeof(*batches), compare);
	return batches[BATCHES / 4];
}

static int make_group(void)
{
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);

	if (group < 0 || fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM,
				       AT_FDCWD, FILE_NAME))
		fail("permission_caller: cannot mark the file");
	return group;
}

/* Allow each open. */
static void *listen_forever(void *argument)
{
	struct fanotify_event_metadata events[16], *event;
	struct fanotify_response response = {.response = FAN_ALLOW};
	int group = *(int *)argument;
	ssize_t length;

	while ((length = read(group, events, sizeof(events))) > 0) {
		event = events;
		for (; FAN_EVENT_OK(event, length);
		     event = FAN_EVENT_NEXT(event, length)) {
			response.fd = event->fd;
			if (write(group, &response, sizeof(response)) < 0)
				fail("permission_caller: answer");
			close(event->fd);
		}
	}
	fail("permission_caller: read");
	return NULL;
}

int main(void)
{
	double unmarked, round_trip;
	pthread_t listener;
	cpu_set_t first;
	int group;

	alarm(WATCHDOG_SECONDS);
	CPU_ZERO(&first);
	CPU_SET(sched_getcpu(), &first);
	if (sched_setaffinity(0, sizeof(first), &first))
		fail("permission_caller: sched_setaffinity");
	close(open(FILE_NAME, O_WRONLY | O_CREAT, 0600));
	unmarked = time_opens(CLOCK_THREAD_CPUTIME_ID);
	group = make_group();
	if (pthread_create(&listener, NULL, listen_forever, &group))
		fail("permission_caller: pthread_create");
	round_trip = time_opens(CLOCK_MONOTONIC);
	printf("{\"unmarked\": %.1f, \"round_trip\": %.1f, \"waits\": %d}\n",
	       unmarked, round_trip, BATCHES * OPENS);
	return 0;
}
