/*
 * The group of listener.c: its reads, its answers, and threads that answer.
 */
#include <sys/fanotify.h>

#define MAX_HELD 16384
#define MAX_LOG 4096
#define WAIT_MS 60000
#define POLL_MS 100
#define PRE_ACCESS 0x100000 /* since Linux 6.14 */

struct response {
	int32_t fd;
	uint32_t response;
};

struct kept {
	int32_t fd, pid;
	uint64_t read_ns;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct kept held[MAX_HELD];
static int first_held, end_held;

/* By response: answers that the kernel accepted. */
static struct tally {
	uint32_t response;
	unsigned long count;
} accepted[16];
static unsigned long events, refused, unread;
static int last_errno;

/* Times of the first answers: read, and just before the answer. */
static uint64_t log_ns[MAX_LOG][2];
static int logged;

static int group;
static size_t buffer_bytes = FAN_EVENT_METADATA_LEN;

static void answer(const struct kept *event, uint32_t value)
{
	struct response written = {event->fd, value};
	uint64_t answered_ns = now_ns();
	bool is_accepted =
		write(group, &written, sizeof(written)) == sizeof(written);
	int error = errno;

	close(event->fd);
	pthread_mutex_lock(&lock);
	if (!is_accepted) {
		refused++;
		last_errno = error;
	}
	for (struct tally *tally = accepted; is_accepted; tally++) {
		if (tally->count && tally->response != value)
			continue;
		tally->response = value;
		tally->count++;
		break;
	}
	if (is_accepted && logged < MAX_LOG) {
		log_ns[logged][0] = event->read_ns;
		log_ns[logged++][1] = answered_ns;
	}
	pthread_mutex_unlock(&lock);
}

/* Read some events into *found*; return their number, or minus the errno. */
static int read_events(struct kept *found)
{
	char buffer[2 * sizeof(struct fanotify_event_metadata)]
		__attribute__((aligned(8)));
	struct fanotify_event_metadata *event = (void *)buffer;
	ssize_t length = read(group, buffer, buffer_bytes);
	int error = errno, count = 0;

	for (; FAN_EVENT_OK(event, length);
	     event = FAN_EVENT_NEXT(event, length))
		if (event->fd >= 0)
			found[count++] =
				(struct kept){event->fd, event->pid, now_ns()};
	pthread_mutex_lock(&lock);
	events += count;
	if (!count && length < 0 && error != EAGAIN) {
		unread++;
		last_errno = error;
	}
	pthread_mutex_unlock(&lock);
	return count || length >= 0 ? count : -error;
}

static bool is_ready(int fd, int ms)
{
	struct pollfd polled = {fd, POLLIN, 0};

	return poll(&polled, 1, ms) == 1;
}

static void hold(int count)
{
	while (end_held - first_held < count && is_ready(group, WAIT_MS)) {
		int found = read_events(&held[end_held]);

		if (found < 0 && found != -EAGAIN)
			break;
		end_held += found > 0 ? found : 0;
	}
}

static pthread_t workers[64];
static int working;
static volatile bool stopping;
static uint32_t response;
static long delay_us;
static int peer;
static char peer_path[512];
static int queue[2];

static void sleep_us(long us)
{
	struct timespec time = {us / 1000000, us % 1000000 * 1000};

	if (us)
		nanosleep(&time, NULL);
}

static void *work(void *unused)
{
	struct kept found[2];

	prctl(PR_SET_NAME, "worker");
	while (!stopping) {
		int count = is_ready(group, POLL_MS) ? read_events(found) : 0;

		for (int i = 0; i < count; i++) {
			if (!peer || found[i].pid == peer) {
				sleep_us(peer ? 0 : delay_us);
				answer(&found[i], response);
			} else if (write(queue[1], &found[i], sizeof(*found)) <
				   0) {
				exit(3);
			}
		}
	}
	return unused;
}

static void *work_with_peer(void *unused)
{
	struct kept event;

	while (read(queue[0], &event, sizeof(event)) == sizeof(event)) {
		close(open(peer_path, O_RDONLY | O_CLOEXEC));
		answer(&event, response);
	}
	return unused;
}

static void print_counts(void)
{
	printf("\"events\": %lu, \"refused\": %lu, \"unread\": %lu, "
	       "\"errno\": %d, \"accepted\": [",
	       events, refused, unread, last_errno);
	for (struct tally *tally = accepted; tally->count; tally++)
		printf("%s[%u, %lu]", tally == accepted ? "" : ", ",
		       tally->response, tally->count);
	printf("], \"log\": [");
	for (int i = 0; i < logged; i++)
		printf("%s[%" PRIu64 ", %" PRIu64 "]", i ? ", " : "",
		       log_ns[i][0], log_ns[i][1]);
	printf("]");
}

/* Make the group, and print the errno of fanotify_init(2). */
static void make_group(bool is_pre_content)
{
	unsigned int flags =
		is_pre_content ? FAN_CLASS_PRE_CONTENT : FAN_CLASS_CONTENT;

	flags |= FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE;
	group = fanotify_init(flags, O_RDONLY | O_CLOEXEC);
	printf("{\"errno\": %d}\n", group < 0 ? errno : 0);
	fflush(stdout);
}

/* Mark *path*, and print the errno. */
static void print_mark(unsigned int flags, uint64_t mask, const char *path)
{
	int result = fanotify_mark(group, flags, mask, AT_FDCWD, path);

	printf("\"errno\": %d", result < 0 ? errno : 0);
	if (mask & PRE_ACCESS) /* such an event has a range, of 24 bytes */
		buffer_bytes = 2 * FAN_EVENT_METADATA_LEN;
}
