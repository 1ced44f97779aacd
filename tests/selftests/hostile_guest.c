// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile_guest [SEED]
 *
 * A guest executes random DIAGNOSE instructions with random registers. The first two
 * parts of the test compare the results of claimed codes with the table of README.md.
 * In the other two parts, a thread of this program overwrites the registers in kvm_run
 * at the same time. These parts check only that no notification is lost and that
 * nothing unexpected happens.
 *
 * The guest's code is a stream of blocks that this program writes. Each block loads all
 * registers, executes one DIAGNOSE and stores r2. A block depends on no earlier register
 * and stores to a fixed address, so overwritten registers cannot make the guest harm
 * itself.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag_util.h"

#define INTERCEPTS	100000UL	/* in each of the four parts */
#define BLOCKS		1024

#define SUBCHANNELS	3
#define QUEUES		4
#define SCHID(i)	(0x00010005U + (i))

struct block {
	uint16_t larl_r1[3];
	uint16_t lmg_r0_r15[3];
	uint32_t diag;
	uint16_t stgrl_r2[3];
	uint16_t nopr;
};

/* These have the same addresses in the guest as in this program. */
static struct block code[BLOCKS + 1] __aligned(4096);
static uint64_t regs[BLOCKS][16] __aligned(4096);
static uint64_t results[BLOCKS] __aligned(4096);

static struct kvm_vm *vm;
static struct kvm_vcpu *vcpu;
static int fds[SUBCHANNELS * QUEUES];

/* The registers are overwritten at the same time. */
static bool overwritten;

static uint64_t rng_state;

/* xorshift64* */
static uint64_t rng(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return rng_state * 0x2545f4914f6cdd1dULL;
}

/* Returns a random number below n. Uses no division. */
static unsigned int pick(unsigned int n)
{
	return (rng() >> 32) * n >> 32;
}

static bool chance(unsigned int percent)
{
	return pick(100) < percent;
}

/* Returns a random value. Boundary values, which a handler may get wrong, are frequent. */
static uint64_t wild(void)
{
	switch (pick(8)) {
	case 0:
		return pick(16);
	case 1:
		return -(uint64_t)pick(16);
	case 2:
		return 1ULL << pick(64);
	case 3:
		return (1ULL << pick(64)) - 1;
	case 4:
		return rng() << 32;
	case 5:
		return rng() >> 32;
	default:
		return rng();
	}
}

static uint16_t random_code(void)
{
	static const uint16_t known[] = { 0x10, 0x44, 0x9c, 0x258, 0x288, 0x308, 0x318, 0x501 };

	if (chance(94))
		return 0x500;
	return chance(60) ? known[pick(ARRAY_SIZE(known))] : rng();
}

/* Returns a DIAGNOSE with this function code. Sets the base register if it uses one. */
static uint32_t random_diag(uint64_t *r, uint16_t function)
{
	uint32_t insn = 0x83000000 | pick(256) << 16;
	unsigned int base, displacement;

	if (function < 0x1000 && chance(70))
		return insn | function;
	base = 5 + pick(11);
	displacement = pick(0x1000);
	r[base] = (rng() & ~0xffffULL) | (uint16_t)(function - displacement);
	return insn | base << 12 | displacement;
}

static uint16_t function_of(const struct block *b, const uint64_t *r)
{
	unsigned int base = b->diag >> 12 & 0xf;

	return (base ? r[base] : 0) + (b->diag & 0xfff);
}

static void relative(uint16_t *insn, uint16_t opcode, const void *from, const void *to)
{
	int32_t halfwords = (int32_t)((intptr_t)to - (intptr_t)from) / 2;

	insn[0] = opcode;
	insn[1] = halfwords >> 16;
	insn[2] = halfwords;
}

static void random_block(struct block *b, int i)
{
	uint64_t *r = regs[i];
	int nr;

	for (nr = 0; nr < 16; nr++)
		r[nr] = wild();
	if (chance(95))
		r[1] = 3;
	if (chance(95))
		r[2] = (chance(50) ? rng() << 32 : 0) | SCHID(pick(SUBCHANNELS));
	if (chance(95))
		r[3] = pick(QUEUES);
	if (chance(80))
		r[4] = pick(SUBCHANNELS * QUEUES + 2) - 1;

	relative(b->larl_r1, 0xc010, &code[i].larl_r1, regs[i]);
	memcpy(b->lmg_r0_r15, (uint16_t[]){ 0xeb0f, 0x1000, 0x0004 }, sizeof(b->lmg_r0_r15));
	b->diag = random_diag(r, random_code());
	/*
	 * KVM's handler of 0x10 could discard the guest's page tables, but it refuses an odd
	 * address in R1. An overwritten base register can turn any code into 0x10.
	 */
	if (function_of(b, r) == 0x10 || overwritten)
		r[b->diag >> 20 & 0xf] |= 1;
	relative(b->stgrl_r2, 0xc42b, &code[i].stgrl_r2, &results[i]);
	b->nopr = 0x0700;
}

/*
 * Writes a new stream, and the new PSW in the lowcore. With overwritten registers, 0x10
 * may have discarded the pages of both.
 */
static void new_stream(void)
{
	const struct psw pgm = { PSW_MASK_NO_DAT | PSW_MASK_WAIT, AT_PGM };
	int i;

	for (i = 0; i < BLOCKS; i++) {
		random_block(&code[i], i);
		results[i] = 0;
	}
	/* The DIAGNOSE that ends the stream is recognised by its address. */
	code[BLOCKS] = (struct block){ .larl_r1 = { 0x8300, 0x0501 } };
	sync_global_to_guest(vm, code);
	sync_global_to_guest(vm, regs);
	sync_global_to_guest(vm, results);
	memcpy(addr_gpa2hva(vm, LC_PGM_NEW_PSW), &pgm, sizeof(pgm));
}

/* Returns the device that must be signalled for these registers, or -1 for none. */
static int device_of(const uint64_t *r)
{
	uint32_t schid = r[2];

	if (r[1] != 3 || schid < SCHID(0) || schid >= SCHID(SUBCHANNELS) || r[3] >= QUEUES)
		return -1;
	/* Devices are registered in this order, so this is also the slot on the bus. */
	return (schid - SCHID(0)) * QUEUES + r[3];
}

/* Returns the block whose DIAGNOSE is directly before this address, or -1 for none. */
static int block_before(uint64_t psw_addr)
{
	uint64_t offset = psw_addr - (uintptr_t)&code[0].stgrl_r2;

	if (offset % sizeof(struct block) || offset / sizeof(struct block) >= BLOCKS)
		return -1;
	return offset / sizeof(struct block);
}

/* Events of one part of the test. */
static struct {
	uint64_t exits;			/* exits at the DIAGNOSE of a block */
	uint64_t ends;			/* exits at the DIAGNOSE that ends the stream */
	uint64_t interruptions;		/* program interruptions */
	uint64_t resets;		/* KVM_EXIT_S390_RESET */
	uint64_t events[SUBCHANNELS * QUEUES];
	uint64_t wrong;
	char first_wrong[160];
} seen;

#define wrong(...)								\
	do {									\
		if (!seen.wrong++)						\
			snprintf(seen.first_wrong, sizeof(seen.first_wrong), __VA_ARGS__); \
	} while (0)

/* The end of a block: it went on to the next block, exited, or was interrupted. */
enum ending { WENT_ON, EXITED, INTERRUPTED };

static void continue_at(const void *address)
{
	vcpu->run->psw_mask = PSW_MASK_DAT;
	vcpu->run->psw_addr = (uintptr_t)address;
}

/*
 * Runs the vCPU until its next exit. Returns the number of the block that has caused it,
 * or BLOCKS at the end of the stream. The next call continues after that block.
 */
static int run_on(enum ending *ending)
{
	struct kvm_run *run = vcpu->run;
	struct psw old;
	int i;

	*ending = EXITED;
	vcpu_run(vcpu);
	if (run->exit_reason == KVM_EXIT_S390_RESET) {
		seen.resets++;
		*ending = INTERRUPTED;
		return block_before(run->psw_addr);
	}
	if (run->exit_reason != KVM_EXIT_S390_SIEIC) {
		wrong("unexpected exit, reason %u", run->exit_reason);
		return BLOCKS;
	}
	if (at_wait(vcpu, AT_PGM)) {
		seen.interruptions++;
		*ending = INTERRUPTED;
		memcpy(&old, addr_gpa2hva(vm, LC_PGM_OLD_PSW), sizeof(old));
		/*
		 * old.addr is the end of the DIAGNOSE. If registers are overwritten, it can be
		 * any address in the block.
		 */
		i = (old.addr - (uintptr_t)code) / sizeof(struct block);
		if (old.addr < (uintptr_t)code || i >= BLOCKS) {
			wrong("program interruption outside the stream, at %#lx", old.addr);
			return BLOCKS;
		}
		continue_at(&code[i + 1]);
		return i;
	}
	if (at_diagnose(vcpu, 0x501) && run->psw_addr == (uintptr_t)&code[BLOCKS] + 4) {
		seen.ends++;
		return BLOCKS;
	}
	i = block_before(run->psw_addr);
	if (run->s390_sieic.icptcode != ICPT_INSTRUCTION || i < 0 ||
	    run->s390_sieic.ipa != code[i].diag >> 16 ||
	    run->s390_sieic.ipb != code[i].diag << 16) {
		wrong("unexpected intercept %u: %04x %08x at %#llx", run->s390_sieic.icptcode,
		      run->s390_sieic.ipa, run->s390_sieic.ipb, run->psw_addr);
		return BLOCKS;
	}
	seen.exits++;
	return i;
}

/* Compares the result of a block with the table; no thread overwrites registers here. */
static void judge(int i, enum ending ending, bool claim_all, uint64_t *expected_events)
{
	const uint64_t *r = regs[i];
	uint16_t function = function_of(&code[i], r);
	int device = device_of(r);

	if (function != 0x500) {
		if (claim_all && ending != EXITED)
			wrong("function code 0x%x did not exit", function);
		return;
	}
	if (device >= 0) {
		expected_events[device]++;
		if (ending != WENT_ON || results[i] != (uint64_t)device)
			wrong("0x500/3 %#lx %#lx %#lx: r2 = %#lx, ending %d", r[2], r[3], r[4],
			      results[i], ending);
	} else if (ending != EXITED) {
		wrong("0x500/%#lx %#lx %#lx did not exit", r[1], r[2], r[3]);
	}
}

static void take_events(void)
{
	int i;

	for (i = 0; i < SUBCHANNELS * QUEUES; i++)
		seen.events[i] += eventfd_take(fds[i]);
}

/* Writes a new stream, and runs it from its beginning to its end. */
static void run_stream(bool checked, bool claim_all)
{
	static enum ending endings[BLOCKS];
	uint64_t expected[SUBCHANNELS * QUEUES], before[SUBCHANNELS * QUEUES];
	enum ending ending;
	int i;

	new_stream();
	memset(endings, 0, sizeof(endings));
	memcpy(before, seen.events, sizeof(before));
	memset(expected, 0, sizeof(expected));
	continue_at(code);
	while ((i = run_on(&ending)) != BLOCKS) {
		if (i < 0)
			break;
		endings[i] = ending;
		if (checked && ending == EXITED &&
		    memcmp((void *)vcpu->run->s.regs.gprs, regs[i], sizeof(regs[i])))
			wrong("a forwarded DIAGNOSE has changed a register");
	}
	take_events();
	if (!checked)
		return;
	sync_global_from_guest(vm, results);
	for (i = 0; i < BLOCKS; i++)
		judge(i, endings[i], claim_all, expected);
	for (i = 0; i < SUBCHANNELS * QUEUES; i++)
		if (seen.events[i] != before[i] + expected[i])
			wrong("device %d was signalled %" PRIu64 " times instead of %" PRIu64, i,
			      seen.events[i] - before[i], expected[i]);
}

static bool stop_scribbling;
static uint64_t scribbles;

static void *scribble(void *unused)
{
	volatile __u64 *gprs = vcpu->run->s.regs.gprs;
	uint64_t state = 88172645463325252ULL;

	while (!READ_ONCE(stop_scribbling)) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		/* Half of the values are small, so that some of them are valid. */
		gprs[state & 15] = state & 16 ? state : state >> 60;
		scribbles++;
	}
	return NULL;
}

static uint64_t run_part(const char *param, bool scribbled)
{
	bool claim_all = !strcmp(param, "claim=all");
	const char *with = scribbled ? "registers overwritten" : "results compared";
	uint64_t intercepts, events = 0, forwarded, served, served_by_kvm, exits, left;
	pthread_t thread;
	int i;

	memset(&seen, 0, sizeof(seen));
	overwritten = scribbled;
	module_attach(param);
	/* Each part has its own VM, because an existing one would be older than the module. */
	vm = __vm_create_with_one_vcpu(&vcpu, 512, code);
	vcpu_enable_cap(vcpu, KVM_CAP_S390_CSS_SUPPORT, 0);
	for (i = 0; i < SUBCHANNELS * QUEUES; i++)
		fds[i] = queue_add(vm, SCHID(i / QUEUES), i % QUEUES, -1);
	if (scribbled) {
		stop_scribbling = false;
		scribbles = 0;
		pthread_create(&thread, NULL, scribble, NULL);
	}

	do {
		run_stream(!scribbled, claim_all);
		intercepts = module_counted("") + left_to_kvm();
	} while (intercepts < INTERCEPTS && !seen.wrong);

	if (scribbled) {
		WRITE_ONCE(stop_scribbling, true);
		pthread_join(thread, NULL);
		ksft_test_result(scribbles > intercepts, "%s, %s: %" PRIu64 " times\n", param,
				 with, scribbles);
	}
	for (i = 0; i < SUBCHANNELS * QUEUES; i++) {
		events += seen.events[i];
		close(fds[i]);
	}
	served = module_counted("served");
	forwarded = module_counted("forwarded");
	ksft_test_result(!seen.wrong, "%s, %s: %" PRIu64 " intercepts, %" PRIu64
			 " of them wrong%s%s\n", param, with, intercepts, seen.wrong,
			 seen.wrong ? ", the first: " : "", seen.first_wrong);
	/*
	 * The base register of a DIAGNOSE can be overwritten after the module has left its function
	 * code to KVM. KVM's own handler reads the register again, and serves a 0x500.
	 */
	served_by_kvm = kvm_counted("500") - (module_counted("") -
			module_counted("forwarded_other_code") - module_counted("privileged"));
	ksft_test_result(served <= events && events - served <= (scribbled ? served_by_kvm : 0) &&
			 !module_counted("bus_gone"),
			 "%s, %s: %" PRIu64 " served, %" PRIu64 " by KVM at most, %" PRIu64
			 " counted by eventfds\n", param, with, served, served_by_kvm, events);
	/* KVM's own handlers leave some DIAGNOSEs to userspace as well. */
	exits = seen.exits + seen.ends;
	left = left_to_kvm();
	ksft_test_result(forwarded <= exits && forwarded + left >= exits && !(claim_all && left),
			 "%s, %s: %" PRIu64 " forwarded, %" PRIu64 " exits, %" PRIu64
			 " program interruptions, %" PRIu64 " resets\n", param, with, forwarded,
			 exits, seen.interruptions, seen.resets);
	kvm_vm_free(vm);
	module_detach();
	return intercepts;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : now_ns();
	uint64_t intercepts;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_print_msg("seed %" PRIu64 "\n", seed);
	/* From 0, the generator would produce only zeros. */
	rng_state = seed ?: 1;
	intercepts = run_part("claim=all", false);
	intercepts += run_part("claim=0x500", false);
	intercepts += run_part("claim=all", true);
	intercepts += run_part("claim=0x500", true);
	ksft_test_result(intercepts >= 4 * INTERCEPTS, "%" PRIu64 " intercepts in all\n",
			 intercepts);
	return ksft_end();
}
