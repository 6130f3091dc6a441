/*
 * Claims slots in shared memory, in the order in which claim_slot() and
 * on_call() of bpf/calls/count.bpf.c write: key, then count.
 *
 * Usage: claims SLOTS DESCRIPTOR. A byte on stdin starts a round, in which each
 * slot of the memory behind the descriptor is claimed twice: the first claim
 * loses the slot again before a call is counted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct slot {
	uint64_t count;
	uint64_t mask;
	uint32_t flags;
	uint16_t error;
	uint16_t syscall;
	char comm[16];
	uint64_t created_ns;
};

/* The reader checks that the members of a key belong to one claim. */
static void write_key(volatile struct slot *slot, uint64_t mask)
{
	slot->mask = mask;
	slot->flags = mask * 7;
	slot->error = mask % 1000 + 1;
	slot->created_ns = mask * 1000;
}

static void pause_briefly(void)
{
	for (volatile int i = 0; i < 200; i++)
		;
}

int main(int argc, char **argv)
{
	size_t slots = strtoul(argv[1], NULL, 10);
	volatile struct slot *memory =
		mmap(NULL, slots * sizeof(struct slot), PROT_READ | PROT_WRITE,
		     MAP_SHARED, atoi(argv[2]), 0);
	uint64_t claim = 0;
	char byte;

	while (read(0, &byte, 1) == 1) {
		for (size_t i = 0; i < slots; i++) {
			write_key(&memory[i], ++claim << 20);
			pause_briefly();
			write_key(&memory[i], ++claim);
			__atomic_fetch_add(&memory[i].count, 1,
					   __ATOMIC_RELEASE);
			pause_briefly();
		}
	}
	return argc != 3;
}
