// SPDX-License-Identifier: Apache-2.0
/*
 * Make system calls and print their numbers, for comparison with the counts.
 *
 *	caller COMM THREADS PATH native|compat|x32 SYSCALL [PROGRESS] < plan
 *
 * native_odd and compat_odd set the upper half of each register that holds a
 * number of 32 bits. native_hidden and compat_hidden make calls with a number
 * that no kernel has: a tracer has to clear the bit HIDDEN of the number.
 *
 * SYSCALL is fanotify_mark, fanotify_init, inotify_init1, inotify_init or
 * inotify_add_watch. Each line of the plan is "flags mask count" in hex, hex
 *and decimal. fanotify_init takes event_f_flags from the mask; the program
 *closes the new group at once. inotify_add_watch takes no flags. Each thread
 *makes all of its marks or watches on the same group (descriptor -1 if the
 *kernel refuses to make one). For each line of the plan and each errno, a
 * thread prints "comm flags mask errno count" in decimal. The thread's name is
 * COMM; several threads are named COMM0, COMM1, ...
 *
 * With PROGRESS, a file, the plan repeats until the process is killed, and the
 * file holds two u64: calls begun and calls ended.
 *
 * With SECCOMP in the environment, an action in hex, each thread installs a
 * seccomp filter after the first line of the plan. The filter answers SYSCALL
 * with the action.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_32BIT /* x86 only; the compat entry needs it */
#define MAP_32BIT 0
#endif
#define ODD ((long)0xdeadbeef00000000ULL)
#define HIDDEN 0x1000
#define X32_BIT 0x40000000 /* __X32_SYSCALL_BIT of arch/x86 */
#define MAX_STEPS 65536
#define MAX_ERRNO 256

struct step {
	uint32_t flags;
	uint64_t mask;
	unsigned long count;
};

static struct step plan[MAX_STEPS];
static int steps, threads, group;
static bool compat, odd;
static long number_bits;
static const char *comm, *action;
static char *path;
static uint64_t *progress;

/* Numbers of the native entry, and of the compat entry of x86. Bit i of wide
 * stands for argument i: the native call takes 64 bits.
 */
static const struct entry {
	const char *name;
	long native, compat;
	unsigned int wide;
} entries[] = {
	{"fanotify_mark", SYS_fanotify_mark, 339, 1 << 2 | 1 << 4},
	{"inotify_add_watch", SYS_inotify_add_watch, 292, 1 << 1},
	{"fanotify_init", SYS_fanotify_init, 338, 0},
	{"inotify_init1", SYS_inotify_init1, 332, 0},
#ifdef SYS_inotify_init
	{"inotify_init", SYS_inotify_init, 291, 0},
#endif
};
#define MARK (&entries[0])
#define WATCH (&entries[1])
static const struct entry *entry;

#ifdef __x86_64__
/* The i386 entry: six registers of 32 bits, pointers below 4 GiB. */
static long enter_compat(long number, const long *args)
{
	register long r8 asm("r8") = args[5];
	long result = number;

	asm volatile("push %%rbp\n\tmov %%r8d, %%ebp\n\tint $0x80\n\tpop %%rbp"
		     : "+a"(result), "+r"(r8)
		     : "b"(args[0]), "c"(args[1]), "d"(args[2]), "S"(args[3]),
		       "D"(args[4])
		     : "memory", "r9", "r10", "r11");
	return (int)result;
}
#else
static long enter_compat(long number, const long *args)
{
	(void)number;
	(void)args;
	fprintf(stderr, "caller: no compat entry on this architecture\n");
	exit(2);
}
#endif

/* The C library's syscall() clears the upper half of the number on arm64. */
static long enter_native(long number, const long *args)
{
#if defined(__x86_64__)
	register long r10 asm("r10") = args[3];
	register long r8 asm("r8") = args[4];
	register long r9 asm("r9") = args[5];
	long result = number;

	asm volatile("syscall"
		     : "+a"(result)
		     : "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10),
		       "r"(r8), "r"(r9)
		     : "memory", "rcx", "r11");
	return result;
#elif defined(__aarch64__)
	register long x8 asm("x8") = number;
	register long x0 asm("x0") = args[0];
	register long x1 asm("x1") = args[1];
	register long x2 asm("x2") = args[2];
	register long x3 asm("x3") = args[3];
	register long x4 asm("x4") = args[4];

	asm volatile("svc 0"
		     : "+r"(x0)
		     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
		     : "memory");
	return x0;
#else
	long result = syscall(number, args[0], args[1], args[2], args[3],
			      args[4], args[5]);

	return result < 0 ? -errno : result;
#endif
}

/* Set the upper half of the number and of each argument of 32 bits. */
static void make_odd(long *number, long *args)
{
	*number |= ODD;
	for (int i = 0; i < 6; i++)
		if (compat || !(entry->wide & 1 << i))
			args[i] = (uint32_t)args[i] | ODD;
}

/* Make the call of *step*; return its result, or minus its errno. */
static long call(const struct step *step)
{
	bool split = compat || sizeof(long) == 4;
	long low = (uint32_t)step->mask, high = step->mask >> 32;
	long number = (compat ? entry->compat : entry->native) | number_bits;
	long args[6] = {step->flags, low};

	if (entry == MARK && split)
		memcpy(args,
		       (long[6]){group, step->flags, low, high, AT_FDCWD,
				 (long)path},
		       sizeof(args));
	else if (entry == MARK)
		memcpy(args,
		       (long[6]){group, step->flags, step->mask, AT_FDCWD,
				 (long)path},
		       sizeof(args));
	else if (entry == WATCH)
		memcpy(args, (long[6]){group, (long)path, low}, sizeof(args));
	if (odd)
		make_odd(&number, args);
	return compat ? enter_compat(number, args) : enter_native(number, args);
}

static void run_step(const struct step *step, unsigned long *errors)
{
	for (unsigned long i = 0; i < step->count; i++) {
		long result;

		if (progress)
			__atomic_fetch_add(&progress[0], 1, __ATOMIC_SEQ_CST);
		result = call(step);
		if (progress)
			__atomic_fetch_add(&progress[1], 1, __ATOMIC_SEQ_CST);
		if (result > 0 && entry != WATCH)
			close(result);
		errors[result < 0 ? -result : 0]++;
	}
}

static void install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 compat ? entry->compat : entry->native, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, strtoul(action, NULL, 16)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("caller: seccomp");
		exit(2);
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

			if (action && i == 1)
				install_filter();
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

	if (argc < 6 || atoi(argv[2]) > 64) {
		fprintf(stderr, "caller: usage: see caller.c\n");
		return 2;
	}
	comm = argv[1];
	threads = atoi(argv[2]);
	path = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	strncpy(path, argv[3], 4095);
	compat = strstr(argv[4], "compat");
	odd = strstr(argv[4], "_odd");
	if (strstr(argv[4], "x32"))
		number_bits = X32_BIT;
	if (strstr(argv[4], "_hidden"))
		number_bits = HIDDEN;
	action = getenv("SECCOMP");
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
		if (!strcmp(argv[5], entries[i].name))
			entry = &entries[i];
	if (!entry) {
		fprintf(stderr, "caller: this machine has no %s\n", argv[5]);
		return 2;
	}
	if (argc > 6)
		progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				open(argv[6], O_RDWR), 0);
	group = entry == WATCH ? syscall(SYS_inotify_init1, 0)
			       : syscall(SYS_fanotify_init, 0, O_RDONLY);
	read_plan();
	for (long i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, run_thread, (void *)i);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return 0;
}
