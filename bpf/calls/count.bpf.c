// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts fanotify_mark(2), fanotify_init(2), inotify_init(2) and
 * inotify_init1(2) calls by thread name, arguments and errno, and
 * inotify_add_watch(2) calls by thread name and errno.
 *
 * The programs in the other parts unpack the arguments and call on_call().
 * One of the parts privileged_*.bpf.c defines is_privileged(): whether the
 * calling thread has CAP_SYS_ADMIN in the initial user namespace, so that it
 * could place marks that block others or watch a whole host.
 *
 * The hash slot_of finds the slot of a key. The count of the key is in the
 * array slots, which user space maps into its memory. A scrape makes no bpf(2)
 * call, because such a call would lose events: while bpf(2) copies hash
 * elements, the kernel raises bpf_prog_active on that CPU. If the reader is
 * preempted there, the kernel skips perf tracepoint and kprobe programs of
 * other tasks on that CPU (bpf_disable_instrumentation(), trace_call_bpf()).
 */
#include <calls/calls.h>

/* struct call -> index in slots. No entry is ever deleted, so an index that a
 * lookup returned stays valid.
 */
BPF_HASH(slot_of, struct call, u32, FIRST_OTHER_SLOT);

/* FIRST_OTHER_SLOT slots to claim, in three sections, then the fixed slots of
 * other_slot().
 */
BPF_F_TABLE("array", u32, struct slot, slots, SLOTS, BPF_F_MMAPABLE);

/*
 * Indexes of free slots, pushed by the loader. Keys that are first seen from a
 * privileged caller have a stack of their own, so no other caller can use up
 * their slots. So have keys of inotify_add_watch(2), whoever calls.
 */
BPF_STACK(free_privileged, u32, MAX_ENTRIES);
BPF_STACK(free_user, u32, MAX_USER_ENTRIES);
BPF_STACK(free_watch, u32, MAX_WATCH_ENTRIES);

/* The sections of the slots that a call can claim. */
enum section {
	PRIVILEGED_SECTION,
	USER_SECTION,
	WATCH_SECTION,
};

static inline enum section section_of(struct call *call)
{
	if (call->syscall == INOTIFY_ADD_WATCH)
		return WATCH_SECTION;
	return is_privileged() ? PRIVILEGED_SECTION : USER_SECTION;
}

/*
 * Take a free slot of *section*. Return false if there is none.
 *
 * Each branch has a call of its own: of one call for three maps, the verifier
 * of Linux 7.3 takes the helper to overwrite the stack above *index*, and
 * refuses the program (slot poisoned by dead code elimination). Statements with
 * operands of their own keep the compiler from merging the calls.
 */
static inline bool pop_slot(enum section section, u32 *index)
{
	bool is_free;

	if (section == WATCH_SECTION) {
		is_free = !free_watch.pop(index);
		asm volatile("" : : "i"(WATCH_SECTION));
	} else if (section == PRIVILEGED_SECTION) {
		is_free = !free_privileged.pop(index);
		asm volatile("" : : "i"(PRIVILEGED_SECTION));
	} else {
		is_free = !free_user.pop(index);
		asm volatile("" : : "i"(USER_SECTION));
	}
	return is_free;
}

static inline void push_slot(enum section section, u32 *index)
{
	if (section == WATCH_SECTION)
		free_watch.push(index, 0);
	else if (section == PRIVILEGED_SECTION)
		free_privileged.push(index, 0);
	else
		free_user.push(index, 0);
}

/* Give a new key a slot. Return false if no slot is free or the hash refused
 * the key.
 */
static inline bool claim_slot(struct call *call, u32 *index)
{
	enum section section = section_of(call);
	struct slot *slot;
	u32 *winner;

	if (!pop_slot(section, index))
		return false;
	slot = slots.lookup(index);
	if (!slot)
		return false;
	slot->call = *call;
	slot->created_ns = bpf_ktime_get_boot_ns();
	if (slot_of.insert(call, index) == 0)
		return true;

	/* Another CPU inserted the same key first. Push our slot back and use
	 * the slot of the other CPU.
	 */
	push_slot(section, index);
	winner = slot_of.lookup(call);
	if (!winner)
		return false;
	*index = *winner;
	return true;
}

/* Return the fixed slot for a call whose key has no slot. Calls share a fixed
 * slot if they have the same syscall, success, and action and type or class.
 */
static inline u32 other_slot(struct call *call)
{
	bool is_mark = call->syscall == FANOTIFY_MARK;
	u32 flags = call->flags & (is_mark ? MARK_KIND_FLAGS : INIT_KIND_FLAGS);
	u32 kind = is_mark ? (flags & 0x3) | (flags & 0x80) >> 5 |
				     (flags & 0x10) >> 1 | (flags & 0x100) >> 4
			   : flags >> 2;
	u32 index = FIRST_OTHER_SLOT + call->syscall * OTHER_SLOTS_PER_SYSCALL +
		    kind * 2 + !!call->error;
	struct slot *slot = slots.lookup(&index);

	if (slot && !slot->created_ns) {
		slot->call.flags = flags;
		slot->call.error = !!call->error;
		slot->call.syscall = call->syscall;
		slot->created_ns = bpf_ktime_get_boot_ns();
	}
	return index;
}

static inline int on_call(struct arguments *arguments, s32 result)
{
	u32 syscall = arguments->syscall;
	struct call call = {
		.mask = syscall == INOTIFY_ADD_WATCH ? 0 : arguments->mask,
		.flags = arguments->flags,
		.error = result < 0 ? -result : 0,
		.syscall = syscall == INOTIFY_INIT ? INOTIFY_INIT1 : syscall,
	};
	struct slot *slot;
	u32 *known;
	u32 index;

	/* fanotify_mark(2) never returns a positive number. If seccomp(2)
	 * answers a call with SIGSYS, syscall_rollback() puts the syscall
	 * number in the place of the result (on arm64 the first argument, which
	 * is a file descriptor). Such a call has no result and is not counted.
	 */
	if (syscall == FANOTIFY_MARK && result > 0)
		return 0;
#ifdef CONTAINER
	if (syscall != INOTIFY_ADD_WATCH)
		call.cgroup = bpf_get_current_cgroup_id();
#endif
	bpf_get_current_comm(call.comm, sizeof(call.comm));
	known = slot_of.lookup(&call);
	if (known)
		index = *known;
	else if (!claim_slot(&call, &index))
		index = other_slot(&call);
	slot = slots.lookup(&index);
	if (slot)
		lock_xadd(&slot->count, 1);
	return 0;
}
