// SPDX-License-Identifier: GPL-2.0-only
/*
 * The task iterator: one pass lists the threads that sleep inside
 * fanotify_mark(2).
 *
 * A thread is inside the call as long as the registers that the kernel saved at
 * its entry have the number of the call, and no result yet.
 */
#include <fsnotify/process.h>
#include <user_regs.h>

/* THREAD_SIZE is 16 KiB, with KASAN or with pages of 64 KiB more. */
#define MIN_STACK (1 << 14)
#define MAX_STACK (1 << 17)

/* TOP_OF_KERNEL_STACK_PADDING of x86 with CONFIG_X86_FRED. */
#define STACK_PADDING 16

/* TASK_INTERRUPTIBLE and TASK_UNINTERRUPTIBLE of include/linux/sched.h. A
 * thread that is stopped, traced or frozen has neither, or the result of its
 * call.
 */
#define SLEEPING 3

#define REGISTER_WORDS (sizeof(struct pt_regs) / sizeof(u64))

/* RECORD in fsnotify/call_iter.py is the same. */
struct call_record {
	u64 started_ns; /* CLOCK_BOOTTIME; the start of the thread */
	u64 cgroup; /* of the process */
	u64 comm[COMM_WORDS]; /* of the process's first thread */
	u64 registers; /* a hash of the saved registers */
	u64 sleeps; /* how often the thread has gone to sleep */
	u32 tid;
	u32 is_privileged;
};

/* A read of the first pass, in which the loader looks at itself. */
struct own_read {
	u64 fd;
	u64 length;
};

BPF_ARRAY(own_read, struct own_read, 1);

/* Where the saved registers are in a kernel stack, which the first pass finds:
 * task_pt_regs() in arch/x86/include/asm/processor.h and
 * arch/arm64/include/asm/processor.h.
 */
BPF_ARRAY(registers_at, u64, 1);

/* Return whether *address* has the registers of the loader's own read. */
static inline bool is_own_read(u64 address)
{
	u32 zero = 0;
	struct own_read *own = own_read.lookup(&zero);
	struct pt_regs *saved = (void *)address;

	return own && own->length &&
	       (u32)read_word((u64)&SYSCALL_NUMBER(saved)) == NATIVE_READ &&
	       read_word((u64)&NATIVE_ARG1(saved)) == own->fd &&
	       read_word((u64)&NATIVE_ARG3(saved)) == own->length;
}

static inline u64 search_registers(u64 stack)
{
	for (u64 size = MIN_STACK; size <= MAX_STACK; size <<= 1) {
		u64 offset = size - PT_REGS_SIZE;

		if (is_own_read(stack + offset))
			return offset;
		if (is_own_read(stack + offset - STACK_PADDING))
			return offset - STACK_PADDING;
	}
	return 0;
}

/* Return the address of the registers that the kernel saved, 0 if unknown. */
static inline u64 find_registers(u64 task)
{
	u64 stack = *(u64 *)(task + TASK_STACK);
	u32 zero = 0;
	u64 *offset = registers_at.lookup(&zero);

	if (!offset || !stack)
		return 0;
	if (!*offset &&
	    (u32)read_word(task + TASK_PID) == (u32)bpf_get_current_pid_tgid())
		*offset = search_registers(stack);
	return *offset ? stack + *offset : 0;
}

/* As is_compat() in bpf/calls/raw_tracepoint.bpf.c, of any thread. */
static inline bool is_compat(u64 task)
{
	return read_word(task + COMPAT_WORD_OFFSET) & COMPAT_BIT;
}

/* Return whether the registers at *address* have the number of the call. */
static inline bool has_number(u64 task, u64 address)
{
	struct pt_regs *saved = (void *)address;
	/* The low half of a u64 is first on x86 and arm64. */
	u32 number = read_word((u64)&SYSCALL_NUMBER(saved));

	if (number == COMPAT_FANOTIFY_MARK)
		return is_compat(task);
	return (number & ~X32_BIT) == NATIVE_FANOTIFY_MARK && !is_compat(task);
}

/* FNV-1a of whole words. */
static inline u64 hash_registers(struct pt_regs *regs)
{
	u64 *words = (u64 *)regs;
	u64 hash = 0xcbf29ce484222325ULL;

#pragma unroll
	for (int word = 0; word < REGISTER_WORDS; word++)
		hash = (hash ^ words[word]) * 0x100000001b3ULL;
	return hash;
}

static inline bool is_asleep(u64 task)
{
	return (u32)read_word(task + TASK_STATE) & SLEEPING;
}

/* on_cpu is 0 or 1, in an int or in a byte. */
static inline bool is_on_cpu(u64 task)
{
	return (u8)read_word(task + TASK_ON_CPU);
}

/* Return how often the thread has left a CPU: to sleep, or preempted. */
static inline u64 count_switches(u64 task)
{
	return read_word(task + TASK_NVCSW) + read_word(task + TASK_NIVCSW);
}

/*
 * Return whether the thread sleeps inside the call, with its registers in
 * *regs. The kernel counts a switch before the thread is off its CPU. So a
 * thread that runs between two loads of this function is on a CPU at the begin
 * or at the end, or has been switched once more.
 */
static inline bool is_inside(u64 task, struct pt_regs *regs)
{
	u64 registers = find_registers(task);
	u64 switches = count_switches(task);

	return registers && is_asleep(task) && !is_on_cpu(task) &&
	       has_number(task, registers) &&
	       !bpf_probe_read_kernel(regs, sizeof(*regs), (void *)registers) &&
	       !IS_RESULT_SET(regs) && !is_on_cpu(task) &&
	       count_switches(task) == switches;
}

int bpf_iter__task(u64 *ctx)
{
	u64 meta = ctx[0], task = ctx[1], leader;
	struct call_record record = {};
	struct pt_regs regs = {};

	if (!task || !is_inside(task, &regs))
		return 0;
	record.sleeps = read_word(task + TASK_NVCSW);
	leader = read_word(task + TASK_GROUP_LEADER);
	record.started_ns = read_word(task + TASK_START);
	record.cgroup = find_cgroup(leader);
	record.comm[0] = read_word(leader + TASK_COMM);
	record.comm[1] = read_word(leader + TASK_COMM + 8);
	record.registers = hash_registers(&regs);
	record.tid = read_word(task + TASK_PID);
	record.is_privileged =
		is_privileged(read_word(leader + TASK_REAL_CRED));
	bpf_seq_write(*(void **)meta, &record, sizeof(record));
	return 0;
}
