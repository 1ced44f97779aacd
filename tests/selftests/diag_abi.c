// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests which component answers each DIAGNOSE, and the effects on guest and userspace. For
 * each row of a table, a guest executes an instruction under SIE: with KVM alone, and with
 * each setting of "claim". The test checks all registers, and all data of an exit.
 *
 * "diag_abi demo" prints the rows in a readable form, and the time of a notification.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag_util.h"

#define ROUNDS		15
#define LOOPS		2000

/* Two subchannels of subchannel set 0. */
#define SCHID_A		0x00010005U
#define SCHID_B		0x00010007U

/*
 * Used for the times: LOOPS notifications of queue 0, which has a device, and LOOPS of
 * queue 7, which has none. A ucall follows each series.
 */
static void guest_code(void)
{
	uint64_t queue, i;
	int64_t cookie;

	for (;;) {
		for (queue = 0; queue <= 7; queue += 7) {
			for (i = 0, cookie = -1; i < LOOPS; i++)
				cookie = guest_notify(SCHID_A, queue, cookie);
			GUEST_SYNC(queue);
		}
	}
}

/* A VM with the queues A/0, A/1 and B/0, and one eventfd for each queue. */
struct test_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[3];
};

static void test_vm_create(struct test_vm *t, bool css)
{
	t->vm = vm_create_with_one_vcpu(&t->vcpu, guest_code);
	if (css)
		vcpu_enable_cap(t->vcpu, KVM_CAP_S390_CSS_SUPPORT, 0);
	t->fd[0] = queue_add(t->vm, SCHID_A, 0, -1);
	t->fd[1] = queue_add(t->vm, SCHID_A, 1, -1);
	t->fd[2] = queue_add(t->vm, SCHID_B, 0, -1);
}

static void test_vm_destroy(struct test_vm *t)
{
	int i;

	kvm_vm_free(t->vm);
	for (i = 0; i < 3; i++)
		close(t->fd[i]);
}

/* Each row has an instruction of the guest, and the component that must answer it. */

enum answer { USERSPACE, IN_KERNEL, PROGRAM_INTERRUPTION };

enum mode { KVM_ALONE, CLAIM_ALL, CLAIM_500, CLAIM_LIST, CLAIM_NOT_500, OLDER_VM, MODES };

static const struct {
	const char *title, *param;
} modes[MODES] = {
	[KVM_ALONE] = { "KVM alone", NULL },
	[CLAIM_ALL] = { "claim=all", "claim=all" },
	[CLAIM_500] = { "claim=0x500", "claim=0x500" },
	[CLAIM_LIST] = { "claim=0x500,0x44,0x501", "claim=0x500,0x44,0x501" },
	[CLAIM_NOT_500] = { "claim=0x501", "claim=0x501" },
	[OLDER_VM] = { "claim=all, VM older than the module", "claim=all" },
};

#define DIAG(code)	(0x83000000U | (code))
#define DIAG_B5(disp)	(0x83005000U | (disp))

struct row {
	const char *what;
	uint32_t insn;
	uint64_t r1, r2, r3, r4, r5;
	bool problem_state, no_css;
	/* The answer if the code is claimed, and KVM's own answer if it is not. */
	enum answer ours, kvms;
	/* If the kernel answers: */
	int64_t r2_out;
	char queue;		/* signalled: 'a', 'b', 'c' for A/0, A/1, B/0; 0: none */
	/* If the answer is a program interruption: */
	uint16_t pgm_code;
};

#define CODE(c)		.insn = DIAG(c)
#define NOTIFY(schid, queue, cookie) \
	CODE(0x500), .r1 = 3, .r2 = (schid), .r3 = (queue), .r4 = (cookie)
#define SERVED(slot, name) \
	.ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = (slot), .queue = (name)

static const struct row rows[] = {
	{ "notify A/0, no cookie", NOTIFY(SCHID_A, 0, -1), SERVED(0, 'a') },
	{ "notify A/1, no cookie", NOTIFY(SCHID_A, 1, -1), SERVED(1, 'b') },
	{ "notify A/1, the cookie returned", NOTIFY(SCHID_A, 1, 1), SERVED(1, 'b') },
	{ "notify B/0, no cookie", NOTIFY(SCHID_B, 0, -1), SERVED(2, 'c') },
	{ "notify A/0, stale cookie (now B/0)", NOTIFY(SCHID_A, 0, 2), SERVED(0, 'a') },
	{ "notify A/0, stale cookie (now A/1)", NOTIFY(SCHID_A, 0, 1), SERVED(0, 'a') },
	{ "notify A/0, cookie one past the last slot", NOTIFY(SCHID_A, 0, 3), SERVED(0, 'a') },
	{ "notify A/0, greatest cookie", NOTIFY(SCHID_A, 0, 0x7fffffffffffffff), SERVED(0, 'a') },
	{ "notify A/0, most negative cookie", NOTIFY(SCHID_A, 0, INT64_MIN), SERVED(0, 'a') },
	{ "notify A/0, r2 with upper bits set", NOTIFY(0xdeadbeef00000000 | SCHID_A, 0, -1),
	  SERVED(0, 'a') },
	{ "notify A/7, which is not registered", NOTIFY(SCHID_A, 7, -1) },
	{ "notify A/2^32, which is not A/0", NOTIFY(SCHID_A, 1ULL << 32, 0) },
	{ "notify another subchannel", NOTIFY(SCHID_A + 1, 0, 0) },
	{ "notify, instruction with R1 and R3 not 0", .insn = 0x83cd0500, .r1 = 3,
	  .r2 = SCHID_A, .r4 = -1, SERVED(0, 'a') },
	{ "subcode 2^32+3 is not 3", CODE(0x500), .r1 = (1ULL << 32) + 3, .r2 = SCHID_A },
	{ "0x500/0", CODE(0x500), .r1 = 0, .r2 = 0x1000 },
	{ "0x500/1", CODE(0x500), .r1 = 1 },
	{ "0x500/2", CODE(0x500), .r1 = 2, .r2 = 0x1000 },
	{ "0x500/4", CODE(0x500), .r1 = 4 },
	{ "0x500/-1", CODE(0x500), .r1 = -1 },
	{ "0x501", CODE(0x501) },
	{ "0x10, no such range", CODE(0x10), .kvms = PROGRAM_INTERRUPTION,
	  .pgm_code = PGM_SPECIFICATION },
	{ "0x44", CODE(0x44), .kvms = IN_KERNEL, .r2_out = 0x77, .r2 = 0x77 },
	{ "0x9c to self", CODE(0x9c), .kvms = IN_KERNEL, .r2_out = 0x77, .r2 = 0x77 },
	{ "0x258, parameter block not aligned", .insn = 0x83100258, .r1 = 0x1001,
	  .kvms = PROGRAM_INTERRUPTION, .pgm_code = PGM_SPECIFICATION },
	{ "0x288", CODE(0x288) },
	{ "0x308, subcode 6", .insn = 0x83010308, .r1 = 6 },
	{ "0x318", CODE(0x318) },
	{ "0x0", CODE(0) },
	{ "0x500 by base + displacement", .insn = DIAG_B5(0x123), .r1 = 3,
	  .r2 = SCHID_B, .r3 = 0, .r4 = 2, .r5 = 0xfeedfacecafe03dd, SERVED(2, 'c') },
	{ "0xffff by base + displacement", .insn = DIAG_B5(0xfff), .r5 = 0xf000 },
	{ "problem state", NOTIFY(SCHID_A, 0, 0), .problem_state = true,
	  .ours = PROGRAM_INTERRUPTION, .kvms = PROGRAM_INTERRUPTION,
	  .pgm_code = PGM_PRIVILEGED },
	{ "VM without CSS support", NOTIFY(SCHID_A, 0, 0), .no_css = true },
};

/* These rows run after A/0 was unregistered, which moved the slots above it down. */
static const struct row rows_without_a0[] = {
	{ "notify B/0, stale cookie, A/0 is gone", NOTIFY(SCHID_B, 0, 2), SERVED(1, 'c') },
	{ "notify A/0, which is gone", NOTIFY(SCHID_A, 0, 0) },
};

static bool is_claimed(enum mode mode, const struct row *row)
{
	/* The only base register that the rows use is register 5. */
	uint16_t code = (row->insn & 0xf000 ? row->r5 : 0) + (row->insn & 0xfff);

	switch (mode) {
	case CLAIM_ALL:
		return true;
	case CLAIM_500:
	case OLDER_VM:
		return code == 0x500;
	case CLAIM_LIST:
		return code == 0x500 || code == 0x44 || code == 0x501;
	case CLAIM_NOT_500:
		return code == 0x501;
	default:
		return false;
	}
}

struct outcome {
	enum answer answer;
	uint64_t before[16], after[16];
	uint64_t queue[3];
	uint16_t pgm_code;
	/* If there was an exit: */
	uint64_t psw_mask, psw_addr;
	uint16_t icptcode, ipa;
	uint32_t ipb;
	/* The counter that has increased. Without the module, KVM counts each DIAGNOSE. */
	const char *counted_as;
	uint64_t counted_all;
};

static const char *const counters[] = { "served_cookie", "served_search", "forwarded",
					"left_to_kvm", "privileged", "bus_gone" };

static void run_instruction(struct test_vm *t, const struct row *row, struct outcome *out)
{
	struct kvm_run *run = t->vcpu->run;
	uint64_t *gprs = out->before;
	int i;

	/* Each register that the row does not name gets a different value. */
	for (i = 0; i < 16; i++)
		gprs[i] = 0x0101010101010101ULL * (0x80 + i);
	/*
	 * In the row with 0x9c, the field R1 of the instruction is 0. Register 0 then holds the
	 * CPU address of the target, which is this vCPU.
	 */
	gprs[0] = 0;
	gprs[1] = row->r1;
	gprs[2] = row->r2;
	gprs[3] = row->r3;
	gprs[4] = row->r4;
	gprs[5] = row->r5;
	vcpu_execute(t->vcpu, row->insn, gprs, row->problem_state);

	memcpy(out->after, run->s.regs.gprs, sizeof(out->after));
	out->psw_mask = run->psw_mask;
	out->psw_addr = run->psw_addr;
	out->icptcode = run->s390_sieic.icptcode;
	out->ipa = run->s390_sieic.ipa;
	out->ipb = run->s390_sieic.ipb;
	memcpy(&out->pgm_code, addr_gpa2hva(t->vm, LC_PGM_CODE), sizeof(out->pgm_code));
	for (i = 0; i < 3; i++)
		out->queue[i] = eventfd_take(t->fd[i]);

	TEST_ASSERT(run->exit_reason == KVM_EXIT_S390_SIEIC, "%s: exit for reason %u", row->what,
		    run->exit_reason);
	if (at_wait(t->vcpu, AT_DONE))
		out->answer = IN_KERNEL;
	else if (at_wait(t->vcpu, AT_PGM))
		out->answer = PROGRAM_INTERRUPTION;
	else
		out->answer = USERSPACE;
}

static uint64_t counted(const char *name)
{
	return strcmp(name, "left_to_kvm") ? module_counted(name) : left_to_kvm();
}

static void run_row(struct test_vm *t, const struct row *row, struct outcome *out)
{
	uint64_t before[ARRAY_SIZE(counters)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		before[i] = counted(counters[i]);
	run_instruction(t, row, out);
	out->counted_as = "";
	out->counted_all = 0;
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		uint64_t more = counted(counters[i]) - before[i];

		if (more)
			out->counted_as = counters[i];
		out->counted_all += more;
	}
}

/* Returns the name of the module's counter that the row must increase. */
static const char *expected_counter(const struct row *row, bool ours)
{
	if (row->problem_state)
		return "privileged";
	if (!ours)
		return "left_to_kvm";
	if (row->ours != IN_KERNEL)
		return "forwarded";
	return (int64_t)row->r4 == row->r2_out ? "served_cookie" : "served_search";
}

/* Describes the first difference from the expected behaviour; NULL if there is none. */
static const char *row_judge(const struct row *row, enum mode mode, const struct outcome *out)
{
	bool ours = is_claimed(mode, row);
	enum answer answer = ours ? row->ours : row->kvms;
	uint64_t expected;
	int i;

	if (out->answer != answer)
		return "answered in the wrong place";
	for (i = 0; i < 16; i++) {
		expected = out->before[i];
		if (i == 2 && answer == IN_KERNEL)
			expected = row->r2_out;
		if (out->after[i] != expected)
			return "a register has the wrong value";
	}
	for (i = 0; i < 3; i++)
		if (out->queue[i] != (answer == IN_KERNEL && row->queue == 'a' + i))
			return "an eventfd count is wrong";
	if (answer == USERSPACE) {
		if (out->icptcode != ICPT_INSTRUCTION)
			return "icptcode is wrong";
		if (out->ipa != row->insn >> 16 || out->ipb != row->insn << 16)
			return "the exit names another instruction";
		if (out->psw_mask != PSW_MASK_NO_DAT ||
		    out->psw_addr != EXECUTE_AT + sizeof(row->insn))
			return "the PSW of the exit is wrong";
	}
	if (answer == PROGRAM_INTERRUPTION && out->pgm_code != row->pgm_code)
		return "the program interruption is wrong";
	if (mode == KVM_ALONE && module_attached())
		return "the module is loaded";
	if (mode != KVM_ALONE &&
	    (out->counted_all != 1 || strcmp(out->counted_as, expected_counter(row, ours))))
		return "the module counted it wrongly";
	return NULL;
}

static void print_row(const struct row *row, const struct outcome *out, const char *wrong)
{
	char insn[48], regs[80], r2[24], how[64] = "";
	uint32_t base = row->insn >> 12 & 0xf;

	sprintf(insn, base ? "diag %u,%u,0x%x(%u)" : "diag %u,%u,0x%x", row->insn >> 20 & 0xf,
		row->insn >> 16 & 0xf, row->insn & 0xfff, base);
	sprintf(regs, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64, row->r1, row->r2, row->r3,
		row->r4);
	if (out->after[2] != row->r2)
		sprintf(r2, "%" PRId64, (int64_t)out->after[2]);
	else
		strcpy(r2, "unchanged");
	if (out->answer == USERSPACE)
		sprintf(how, "SIEIC %u %04x %08x", out->icptcode, out->ipa, out->ipb);
	else if (out->answer == PROGRAM_INTERRUPTION)
		sprintf(how, "program interruption %u", out->pgm_code);
	printf("%-42s%-20s%-46s%-11s%-11s%" PRIu64 " %" PRIu64 " %" PRIu64 "   %s%s%s\n",
	       row->what, insn, regs,
	       out->answer == USERSPACE ? "userspace" :
	       !strncmp(out->counted_as, "served", 6) ? "module" : "KVM",
	       r2, out->queue[0], out->queue[1], out->queue[2], how,
	       wrong ? "   <-- " : "", wrong ?: "");
}

static int run, wrong_rows;

static void test_row(bool demo, enum mode mode, struct test_vm *t, const struct row *row)
{
	struct outcome out;
	const char *wrong;

	run_row(t, row, &out);
	wrong = row_judge(row, mode, &out);
	run++;
	wrong_rows += !!wrong;
	if (demo)
		print_row(row, &out, wrong);
	else
		ksft_test_result(!wrong, "%s: %s%s%s\n", modes[mode].title, row->what,
				 wrong ? ": " : "", wrong ?: "");
}

static void run_rows(bool demo, enum mode mode)
{
	struct test_vm css, no_css;
	size_t i;

	if (mode != OLDER_VM && modes[mode].param)
		module_attach(modes[mode].param);
	test_vm_create(&css, true);
	test_vm_create(&no_css, false);
	if (mode == OLDER_VM)
		module_attach(modes[mode].param);

	if (demo) {
		printf("\n%s\n\n", modes[mode].title);
		printf("%-42s%-20s%-46s%-11s%-11s%s\n", "", "instruction", "r1 r2 r3 r4 in",
		       "answered", "r2 out", "eventfds of A/0 A/1 B/0, exit");
	}
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		test_row(demo, mode, rows[i].no_css ? &no_css : &css, &rows[i]);

	/* Unregistering A/0 makes the guest's cookies of the other queues stale. */
	queue_remove(css.vm, SCHID_A, 0, css.fd[0]);
	for (i = 0; i < ARRAY_SIZE(rows_without_a0); i++)
		test_row(demo, mode, &css, &rows_without_a0[i]);

	test_vm_destroy(&css);
	test_vm_destroy(&no_css);
	if (modes[mode].param)
		module_detach();
}

/*
 * Measures the nanoseconds of a notification: of A/0, which the kernel serves, and of
 * A/7, which this program completes.
 */
static void time_notifications(struct test_vm *t, uint64_t *in_kernel, uint64_t *userspace)
{
	const uint64_t one = 1;
	struct ucall uc;
	uint64_t start;

	start = now_ns();
	TEST_ASSERT(run_to_ucall(t->vcpu, &uc) == 0, "unexpected exit for a queue with a device");
	*in_kernel = (now_ns() - start) / LOOPS;
	start = now_ns();
	for (vcpu_run(t->vcpu); at_diagnose(t->vcpu, 0x500); vcpu_run(t->vcpu)) {
		TEST_ASSERT(write(t->fd[0], &one, sizeof(one)) == sizeof(one), "eventfd");
		answer(t->vcpu, 0);
	}
	*userspace = (now_ns() - start) / LOOPS;
	TEST_ASSERT(get_ucall(t->vcpu, &uc) == UCALL_SYNC, "the guest did not reach its ucall");
	TEST_ASSERT(eventfd_take(t->fd[0]) == 2 * LOOPS, "notifications were lost");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_us(uint64_t *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2] / 1e3;
}

static void print_times(void)
{
	static uint64_t ns[2][2][ROUNDS];
	struct test_vm t;
	int round, attached;

	for (round = 0; round < ROUNDS; round++) {
		for (attached = 0; attached < 2; attached++) {
			uint64_t *in_kernel = &ns[0][attached][round];
			uint64_t *userspace = &ns[1][attached][round];

			if (attached)
				module_attach("");
			test_vm_create(&t, true);
			/* The second call overwrites the times of the first, which warms up. */
			time_notifications(&t, in_kernel, userspace);
			time_notifications(&t, in_kernel, userspace);
			test_vm_destroy(&t);
			if (attached)
				module_detach();
		}
	}
	printf("\nMicroseconds per notification, median of %d rounds of %d notifications\n\n"
	       "%-24s%12s%12s\n", ROUNDS, LOOPS, "", "KVM alone", "attached");
	printf("%-24s%12.1f%12.1f\n", "in the kernel", median_us(ns[0][0]), median_us(ns[0][1]));
	printf("%-24s%12.1f%12.1f\n", "through userspace", median_us(ns[1][0]),
	       median_us(ns[1][1]));
}

int main(int argc, char **argv)
{
	bool demo = argc == 2 && !strcmp(argv[1], "demo");
	enum mode mode;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!demo)
		ksft_print_header();
	for (mode = 0; mode < MODES; mode++)
		run_rows(demo, mode);
	if (demo)
		printf("\nThe module is unloaded again\n");
	run_rows(demo, KVM_ALONE);
	if (!demo)
		return ksft_end();

	print_times();
	printf("\nRows that differ from the expected behaviour: ");
	if (wrong_rows)
		printf("%d of %d\n", wrong_rows, run);
	else
		printf("none\n");
	return wrong_rows != 0;
}
