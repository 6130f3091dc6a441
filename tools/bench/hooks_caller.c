// SPDX-License-Identifier: Apache-2.0
/*
 * Measure the CPU time of three system calls:
 *
 *	failing		fanotify_mark(2) with an invalid descriptor: EBADF
 *	succeeding	fanotify_mark(2) that adds an existing mark
 *	getppid		a system call that is not counted: the cost of a probe
 *			on every system call
 *
 * Batches of the three calls alternate, so that slow moments of the machine
 * affect all of them. A batch is shorter than a time slice of the scheduler, so
 * that other guests on the same host spoil few batches.
 *
 * Print one JSON object: the medians of the batches in ns per call, and the
 * number of calls of fanotify_mark(2).
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

#define BATCHES 401
#define BATCH_NS 1e6

static long group, marks;

static void call_failing(void)
{
	syscall(SYS_fanotify_mark, -1L, FAN_MARK_ADD, (uint64_t)FAN_OPEN,
		AT_FDCWD, NULL);
}

static void call_succeeding(void)
{
	syscall(SYS_fanotify_mark, group, FAN_MARK_ADD, (uint64_t)FAN_OPEN,
		AT_FDCWD, ".");
}

static void call_getppid(void)
{
	syscall(SYS_getppid);
}

static struct kind {
	const char *name;
	void (*call)(void);
	int marks;
	long count;
	double ns[BATCHES];
} kinds[] = {
	{.name = "failing", .call = call_failing, .marks = 1},
	{.name = "succeeding", .call = call_succeeding, .marks = 1},
	{.name = "getppid", .call = call_getppid},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static double time_batch(const struct kind *kind)
{
	double start = now_ns();

	for (long i = 0; i < kind->count; i++)
		kind->call();
	if (kind->marks)
		marks += kind->count;
	return now_ns() - start;
}

/* Double the batch until the cost of reading the clock is negligible. */
static void size_batch(struct kind *kind)
{
	for (kind->count = 64; time_batch(kind) < BATCH_NS / 2;)
		kind->count *= 2;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(double *values)
{
	qsort(values, BATCHES, sizeof(*values), compare);
	return values[BATCHES / 2];
}

int main(void)
{
	group = syscall(SYS_fanotify_init, FAN_CLASS_NOTIF, O_RDONLY);
	if (group < 0 || syscall(SYS_fanotify_mark, group, FAN_MARK_ADD,
				 (uint64_t)FAN_OPEN, AT_FDCWD, ".")) {
		perror("hooks_caller: cannot mark the working folder");
		return 1;
	}
	marks++;
	for (size_t k = 0; k < KINDS; k++)
		size_batch(&kinds[k]);
	for (int batch = 0; batch < BATCHES; batch++)
		for (size_t k = 0; k < KINDS; k++)
			kinds[k].ns[batch] =
				time_batch(&kinds[k]) / kinds[k].count;
	printf("{");
	for (size_t k = 0; k < KINDS; k++)
		printf("\"%s\": %.1f, ", kinds[k].name, median(kinds[k].ns));
	printf("\"marks\": %ld}\n", marks);
	return 0;
}
