// SPDX-License-Identifier: Apache-2.0
/*
 * Makes fanotify_mark(2) calls and knows how many: the oracle of the tests.
 *
 *	caller COMM THREADS PATH [native|compat] [PROGRESS] < plan
 *
 * Each line of the plan is "flags mask count" in hex, hex and decimal. Every
 * thread makes all of its calls on one group (descriptor -1 where
 * fanotify_init(2) is refused), then prints "comm flags mask errno count" in
 * decimal for each line and each errno that it met. Threads are called COMM, or
 * COMM0, COMM1, ... if there are several.
 *
 * With PROGRESS, a file, the plan repeats until the process is killed, and the
 * file holds two u64: calls begun and calls ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_32BIT /* x86 only, and only there needed */
#define MAP_32BIT 0
#endif
#define MAX_STEPS 65536
#define MAX_ERRNO 256

struct step {
	uint32_t flags;
	uint64_t mask;
	unsigned long count;
};

static struct step plan[MAX_STEPS];
static int steps, threads, group, compat;
static const char *comm;
static char *path;
static uint64_t *progress;

#ifdef __x86_64__
/* The i386 entry: the mask in two halves, the path below 4 GiB. */
static long mark_compat(uint32_t flags, uint64_t mask)
{
	register long r8 asm("r8") = (long)path;
	long result = 339;

	asm volatile("push %%rbp\n\tmov %%r8d, %%ebp\n\tint $0x80\n\tpop %%rbp"
		     : "+a"(result), "+r"(r8)
		     : "b"(group), "c"(flags), "d"((uint32_t)mask),
		       "S"((uint32_t)(mask >> 32)), "D"(AT_FDCWD)
		     : "memory", "r9", "r10", "r11");
	return (int)result;
}
#else
static long mark_compat(uint32_t flags, uint64_t mask)
{
	(void)flags;
	(void)mask;
	fprintf(stderr, "caller: no compat entry on this architecture\n");
	exit(2);
}
#endif

static long mark_native(uint32_t flags, uint64_t mask)
{
#ifdef __i386__
	long result = syscall(SYS_fanotify_mark, group, flags, (uint32_t)mask,
			      (uint32_t)(mask >> 32), AT_FDCWD, path);
#else
	long result =
		syscall(SYS_fanotify_mark, group, flags, mask, AT_FDCWD, path);
#endif

	return result < 0 ? -errno : result;
}

static void run_step(const struct step *step, unsigned long *errors)
{
	for (unsigned long i = 0; i < step->count; i++) {
		long result;

		if (progress)
			__atomic_fetch_add(&progress[0], 1, __ATOMIC_SEQ_CST);
		result = compat ? mark_compat(step->flags, step->mask)
				: mark_native(step->flags, step->mask);
		if (progress)
			__atomic_fetch_add(&progress[1], 1, __ATOMIC_SEQ_CST);
		errors[-result]++;
	}
}

static void *run_thread(void *number)
{
	char name[16];

	if (threads > 1)
		snprintf(name, sizeof(name), "%s%d", comm, (int)(long)number);
	else
		snprintf(name, sizeof(name), "%s", comm);
	prctl(PR_SET_NAME, name);
	do {
		for (int i = 0; i < steps; i++) {
			unsigned long errors[MAX_ERRNO] = {0};

			run_step(&plan[i], errors);
			for (int e = 0; e < MAX_ERRNO && !progress; e++) {
				if (errors[e])
					printf("%s %u %llu %d %lu\n", name,
					       plan[i].flags,
					       (unsigned long long)plan[i].mask,
					       e, errors[e]);
			}
		}
	} while (progress);
	return NULL;
}

static void read_plan(void)
{
	while (steps < MAX_STEPS &&
	       scanf("%x %" SCNx64 " %lu", &plan[steps].flags,
		     &plan[steps].mask, &plan[steps].count) == 3)
		steps++;
}

int main(int argc, char **argv)
{
	pthread_t ids[64];

	if (argc < 4 || atoi(argv[2]) > 64) {
		fprintf(stderr, "caller: see the head of caller.c\n");
		return 2;
	}
	comm = argv[1];
	threads = atoi(argv[2]);
	path = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	strncpy(path, argv[3], 4095);
	compat = argc > 4 && !strcmp(argv[4], "compat");
	if (argc > 5)
		progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				open(argv[5], O_RDWR), 0);
	group = syscall(SYS_fanotify_init, 0, O_RDONLY);
	read_plan();
	for (long i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, run_thread, (void *)i);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return 0;
}
