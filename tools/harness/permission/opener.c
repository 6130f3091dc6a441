/*
 * Access a file from several tasks, and print what each access gave.
 *
 *	opener COMM PATH threads|processes TASKS TIMES open|read SECONDS
 *
 * Each task prints "begin TID" at its start. It opens and closes PATH TIMES
 * times; with "read" it opens PATH once before, and reads one byte TIMES times.
 * After each access it prints "end TID ERRNO START END", times in nanoseconds
 *of CLOCK_BOOTTIME. With TIMES 0 the tasks go on until the standard input has
 *its end, and each prints "sum TID ERRNO COUNT" for each errno instead. SECONDS
 *is the time of the watchdog. The names of all tasks are COMM.
 */
#include <stdarg.h>

#define MAX_TASKS 8192
#define MAX_ERRNO 256

static const char *comm, *path;
static bool reads;
static long times;
static volatile bool stopped;

/* Write one line, whole: several threads and processes share the pipe. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[1024];
	va_list values;
	int length;

	va_start(values, format);
	length = vsnprintf(line, sizeof(line) - 1, format, values);
	va_end(values);
	line[length] = '\n';
	if (write(STDOUT_FILENO, line, length + 1) < 0)
		_exit(3);
}

static int access_once(int fd)
{
	char byte;

	if (reads)
		return pread(fd, &byte, 1, 0) < 0 ? errno : 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void *run_task(void *unused)
{
	unsigned long sums[MAX_ERRNO] = {0};
	int tid = syscall(SYS_gettid);
	int fd = reads ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	(void)unused;
	prctl(PR_SET_NAME, comm);
	say("begin %d", tid);
	for (long i = 0; times ? i < times : !stopped; i++) {
		uint64_t start = now_ns();
		int error = access_once(fd);

		if (times)
			say("end %d %d %" PRIu64 " %" PRIu64, tid, error, start,
			    now_ns());
		sums[error]++;
	}
	for (int error = 0; error < MAX_ERRNO && !times; error++)
		if (sums[error])
			say("sum %d %d %lu", tid, error, sums[error]);
	return NULL;
}

/* Wait for the end of the standard input. */
static void *await_end(void *unused)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	stopped = true;
	return unused;
}

static void run_processes(int tasks, unsigned int seconds)
{
	for (int i = 0; i < tasks; i++) {
		if (fork())
			continue;
		watch(seconds);
		if (!times)
			start_thread(await_end, NULL);
		run_task(NULL);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
}

static void run_threads(int tasks)
{
	static pthread_t threads[MAX_TASKS];

	if (!times)
		start_thread(await_end, NULL);
	for (int i = 0; i < tasks; i++)
		threads[i] = start_thread(run_task, NULL);
	for (int i = 0; i < tasks; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	int tasks;

	if (argc != 8 || atoi(argv[4]) > MAX_TASKS) {
		fprintf(stderr, "opener: usage: see opener.c\n");
		return 2;
	}
	comm = argv[1];
	path = argv[2];
	tasks = atoi(argv[4]);
	times = atol(argv[5]);
	reads = !strcmp(argv[6], "read");
	watch(atoi(argv[7]));
	raise_limit();
	prctl(PR_SET_NAME, comm);
	if (!strcmp(argv[3], "processes"))
		run_processes(tasks, atoi(argv[7]));
	else
		run_threads(tasks);
	return 0;
}
