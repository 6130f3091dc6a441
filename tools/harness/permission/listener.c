/*
 * A permission listener that does as told, and counts what it did.
 *
 *	listener COMM content|pre_content SECONDS < commands
 *
 * SECONDS is the time of the watchdog. Each command is a line, and its reply is
 * a line of JSON. RESPONSE and MASK are hex. The end of the standard input ends
 * the program.
 *
 *	mark inode|mount|filesystem MASK PATH
 *	flush                remove all inode marks
 *	queued               count the events that nobody has read
 *	read N               read events until N are held
 *	answer N RESPONSE    answer the N oldest held events
 *	serve N RESPONSE US  N times: read an event, wait, answer
 *	start N RESPONSE US  serve in N threads named "worker"
 *	peer PID PATH        answer process PID at once; answer other processes
 *	                     after another thread has opened PATH
 *	stop                 end the threads
 *	counts               print what was counted
 *	open PATH            open PATH in another thread
 *	dup                  make one more copy of the descriptor
 *	close                close the last copy
 *	fork                 start a process that has the descriptor too
 *	reap                 kill this process
 *	full                 allow no more open descriptors
 *	room                 allow as many as before
 *	name COMM            rename the first thread
 */
static int copies[8], last_copy, sharer;
static unsigned int seconds;

static void *open_path(void *path)
{
	close(open(path, O_RDONLY | O_CLOEXEC));
	free(path);
	return NULL;
}

static void do_mark(char *rest)
{
	char type[16], path[512];
	unsigned int mask, flags;

	if (sscanf(rest, "%15s %x %511[^\n]", type, &mask, path) != 3)
		exit(2);
	flags = !strcmp(type, "mount")	      ? FAN_MARK_MOUNT
		: !strcmp(type, "filesystem") ? FAN_MARK_FILESYSTEM
					      : FAN_MARK_INODE;
	print_mark(FAN_MARK_ADD | flags, mask, path);
}

static void do_flush(char *unused)
{
	(void)unused;
	print_mark(FAN_MARK_FLUSH, 0, "/");
}

static void do_queued(char *unused)
{
	int bytes = 0;

	(void)unused;
	ioctl(group, FIONREAD, &bytes);
	printf("\"queued\": %d", bytes / (int)FAN_EVENT_METADATA_LEN);
}

static void do_read(char *rest)
{
	hold(atoi(rest));
	printf("\"held\": %d", end_held - first_held);
}

static void do_answer(char *rest)
{
	unsigned int value;
	int count;

	if (sscanf(rest, "%d %x", &count, &value) != 2)
		exit(2);
	for (; count-- && first_held < end_held; first_held++)
		answer(&held[first_held], value);
	print_counts();
}

static void do_serve(char *rest)
{
	unsigned int value;
	int count;
	long us;

	if (sscanf(rest, "%d %x %ld", &count, &value, &us) != 3)
		exit(2);
	while (count--) {
		hold(1);
		sleep_us(us);
		if (first_held < end_held)
			answer(&held[first_held++], value);
	}
	print_counts();
}

static void do_start(char *rest)
{
	int count;

	if (sscanf(rest, "%d %x %ld", &count, &response, &delay_us) != 3)
		exit(2);
	stopping = false;
	while (count--)
		workers[working++] = start_thread(work, NULL);
}

static void do_peer(char *rest)
{
	if (sscanf(rest, "%d %511[^\n]", &peer, peer_path) != 2 ||
	    pipe2(queue, O_CLOEXEC))
		exit(2);
	start_thread(work_with_peer, NULL);
}

static void do_stop(char *unused)
{
	(void)unused;
	stopping = true;
	while (working)
		pthread_join(workers[--working], NULL);
	print_counts();
}

static void do_counts(char *unused)
{
	(void)unused;
	print_counts();
}

static void do_open(char *rest)
{
	rest[strcspn(rest, "\n")] = '\0';
	start_thread(open_path, strdup(rest + 1));
}

static void do_dup(char *unused)
{
	(void)unused;
	copies[++last_copy] = dup(group);
}

static void do_close(char *unused)
{
	(void)unused;
	close(copies[last_copy--]);
}

static void do_fork(char *unused)
{
	(void)unused;
	sharer = fork();
	if (!sharer) {
		watch(seconds);
		while (true)
			pause();
	}
	printf("\"pid\": %d", sharer);
}

static void do_reap(char *unused)
{
	(void)unused;
	kill(sharer, SIGKILL);
	waitpid(sharer, NULL, 0);
}

static struct rlimit descriptors;

static void do_full(char *unused)
{
	struct rlimit limit;
	int lowest = dup(group);

	(void)unused;
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &descriptors);
	limit = descriptors;
	limit.rlim_cur = lowest;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void do_room(char *unused)
{
	(void)unused;
	setrlimit(RLIMIT_NOFILE, &descriptors);
}

static void do_name(char *rest)
{
	rest[strcspn(rest, "\n")] = '\0';
	prctl(PR_SET_NAME, rest + 1);
}

static const struct command {
	const char *name;
	void (*run)(char *rest);
} commands[] = {
	{"mark", do_mark},   {"flush", do_flush},   {"queued", do_queued},
	{"read", do_read},   {"answer", do_answer}, {"serve", do_serve},
	{"start", do_start}, {"peer", do_peer},	    {"stop", do_stop},
	{"open", do_open},   {"counts", do_counts}, {"dup", do_dup},
	{"close", do_close}, {"fork", do_fork},	    {"reap", do_reap},
	{"full", do_full},   {"room", do_room},	    {"name", do_name},
};

static void obey(char *line)
{
	size_t length = strcspn(line, " \n");

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strlen(commands[i].name) == length &&
		    !strncmp(line, commands[i].name, length)) {
			printf("{");
			commands[i].run(line + length);
			printf("}\n");
			fflush(stdout);
			return;
		}
	}
	fprintf(stderr, "listener: no such command: %s", line);
	exit(2);
}

int main(int argc, char **argv)
{
	char line[1024];

	if (argc != 4) {
		fprintf(stderr, "listener: usage: see listener.c\n");
		return 2;
	}
	seconds = atoi(argv[3]);
	watch(seconds);
	raise_limit();
	prctl(PR_SET_NAME, argv[1]);
	make_group(!strcmp(argv[2], "pre_content"));
	copies[0] = group;
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
