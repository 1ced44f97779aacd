// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small VMM whose guest executes DIAGNOSE under SIE.
 *
 * "vmm demo" prints what became of each instruction, with KVM alone, with the
 * module attached, and after it is gone; "vmm check" tests the same rows, and
 * load and unload under a guest that notifies, and speaks TAP. It loads and
 * unloads the module by itself, so it must run as root on a host without it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define CYCLES		20
#define ROUNDS		15
#define LOOPS		2000

#define PGM_PRIVILEGED	2

/* Two subchannels of subchannel set 0. */
#define SCHID_A		0x00010005U
#define SCHID_B		0x00010007U

/* A VM with queues A/0, A/1 and B/0, and the eventfds of these. */
struct test_vm {
	struct vm vm;
	int a0, a1, b0;
};

static void test_vm_create(struct test_vm *t, bool css)
{
	vm_create(&t->vm, css);
	t->a0 = queue_add(&t->vm, SCHID_A, 0, -1);
	t->a1 = queue_add(&t->vm, SCHID_A, 1, -1);
	t->b0 = queue_add(&t->vm, SCHID_B, 0, -1);
}

static void test_vm_destroy(struct test_vm *t)
{
	vm_destroy(&t->vm);
	close(t->a0);
	close(t->a1);
	close(t->b0);
}

/* The rows: what a guest issues, and who must answer. */

enum answer { USERSPACE, IN_KERNEL, REFUSED };

enum mode { KVM_ALONE, CLAIM_ALL, CLAIM_500, OLDER_VM, MODES };

static const struct {
	const char *title, *param;
} modes[MODES] = {
	[KVM_ALONE] = { "KVM alone", NULL },
	[CLAIM_ALL] = { "attached, claim=all", "claim=all" },
	[CLAIM_500] = { "attached, claim=0x500", "claim=0x500" },
	[OLDER_VM] = { "attached, claim=all, VM older than the module", "claim=all" },
};

#define DIAG(code)	(0x83000000U | (code))
#define DIAG_B5(disp)	(0x83005000U | (disp))

struct row {
	const char *what;
	uint32_t insn;
	uint64_t r1, r2, r3, r4, r5;
	bool problem_state, no_css;
	/* Ours for a claimed code; KVM's own answer where the code is left to it. */
	enum answer ours, kvms;
	/* Where the answer comes from the kernel: */
	int64_t r2_out;
	char queue;		/* 'a', 'b', 'c' for A/0, A/1, B/0, or 0 */
	bool always_ours;	/* function 0x500: claimed in every mode */
};

#define NOTIFY(schid, queue, cookie) \
	.insn = DIAG(0x500), .r1 = 3, .r2 = (schid), .r3 = (queue), .r4 = (cookie), \
	.always_ours = true

static const struct row rows[] = {
	{ "notify A/0, no cookie", NOTIFY(SCHID_A, 0, -1),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 0, .queue = 'a' },
	{ "notify A/1, no cookie", NOTIFY(SCHID_A, 1, -1),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 1, .queue = 'b' },
	{ "notify A/1, the cookie returned", NOTIFY(SCHID_A, 1, 1),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 1, .queue = 'b' },
	{ "notify B/0, no cookie", NOTIFY(SCHID_B, 0, -1),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 2, .queue = 'c' },
	{ "notify A/0, stale cookie (now B/0)", NOTIFY(SCHID_A, 0, 2),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 0, .queue = 'a' },
	{ "notify A/0, stale cookie (now A/1)", NOTIFY(SCHID_A, 0, 1),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 0, .queue = 'a' },
	{ "notify A/0, cookie one past the bus", NOTIFY(SCHID_A, 0, 3),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 0, .queue = 'a' },
	{ "notify A/0, absurd cookie", NOTIFY(SCHID_A, 0, 0x7fffffffffffffff),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 0, .queue = 'a' },
	{ "notify A/0, r2 with upper bits set", NOTIFY(0xdeadbeef00000000 | SCHID_A, 0, -1),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 0, .queue = 'a' },
	{ "notify A/7, nobody registered it", NOTIFY(SCHID_A, 7, -1) },
	{ "notify A/2^32, not A/0", NOTIFY(SCHID_A, 1ULL << 32, 0) },
	{ "notify another subchannel", NOTIFY(SCHID_A + 1, 0, 0) },
	{ "subcode 2^32+3 is not 3", .insn = DIAG(0x500), .r1 = (1ULL << 32) + 3, .r2 = SCHID_A,
	  .always_ours = true },
	{ "0x500/0", .insn = DIAG(0x500), .r1 = 0, .r2 = 0x1000, .always_ours = true },
	{ "0x500/1", .insn = DIAG(0x500), .r1 = 1, .always_ours = true },
	{ "0x500/2", .insn = DIAG(0x500), .r1 = 2, .r2 = 0x1000, .always_ours = true },
	{ "0x500/4", .insn = DIAG(0x500), .r1 = 4, .always_ours = true },
	{ "0x501", .insn = DIAG(0x501) },
	{ "0x44", .insn = DIAG(0x44), .kvms = IN_KERNEL, .r2_out = 0x77, .r2 = 0x77 },
	{ "0x9c to self", .insn = DIAG(0x9c), .kvms = IN_KERNEL, .r2_out = 0x77, .r2 = 0x77 },
	{ "0x288", .insn = DIAG(0x288) },
	{ "0x500 by base + displacement", .insn = DIAG_B5(0x123), .r1 = 3, .r2 = SCHID_B,
	  .r3 = 0, .r4 = 2, .r5 = 0xfeedfacecafe03dd, .always_ours = true,
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 2, .queue = 'c' },
	{ "problem state", NOTIFY(SCHID_A, 0, 0), .problem_state = true,
	  .ours = REFUSED, .kvms = REFUSED },
	{ "VM without CSS support", NOTIFY(SCHID_A, 0, 0), .no_css = true },
};

/* Once queue A/0 has gone, the slots above it have moved down. */
static const struct row rows_without_a0[] = {
	{ "notify B/0, A/0 gone, stale cookie", NOTIFY(SCHID_B, 0, 2),
	  .ours = IN_KERNEL, .kvms = IN_KERNEL, .r2_out = 1, .queue = 'c' },
	{ "notify A/0, which is gone", NOTIFY(SCHID_A, 0, 0) },
};

struct outcome {
	enum answer answer;
	uint64_t gprs[16];
	uint64_t queue[3];
	char exit[32];
	/* By the module; "" where it is not attached. */
	const char *counted_as;
	uint64_t counted_all;
};

static const char *const counters[] = { "served_cookie", "served_search", "forwarded",
					"left_to_kvm", "privileged", "bus_gone" };

static void run_instruction(struct test_vm *t, const struct row *row, struct outcome *out)
{
	const uint32_t code[] = { row->insn, 0xb2b20000 | DONE_PSW };
	struct vm *vm = &t->vm;
	__u64 *gprs = vm->run->s.regs.gprs;
	uint16_t pgm;
	int i;

	vm_start(vm, 0, code, sizeof(code), row->problem_state ? PSW_PROBLEM : PSW_SUPERVISOR);
	/* A different value in each register that the row does not name. */
	for (i = 0; i < 16; i++)
		gprs[i] = 0x0101010101010101ULL * (0x80 + i);
	/* R1 of the instruction is 0 and names the target of 0x9c: this vCPU. */
	gprs[0] = 0;
	gprs[1] = row->r1;
	gprs[2] = row->r2;
	gprs[3] = row->r3;
	gprs[4] = row->r4;
	gprs[5] = row->r5;
	vcpu_run(vm);

	memcpy(out->gprs, gprs, sizeof(out->gprs));
	out->queue[0] = eventfd_take(t->a0);
	out->queue[1] = eventfd_take(t->a1);
	out->queue[2] = eventfd_take(t->b0);
	if (at_diagnose(vm)) {
		out->answer = USERSPACE;
		sprintf(out->exit, "SIEIC %04x %08x", vm->run->s390_sieic.ipa,
			vm->run->s390_sieic.ipb);
	} else if (at_wait(vm, AT_DONE)) {
		out->answer = IN_KERNEL;
		strcpy(out->exit, "none");
	} else if (at_wait(vm, AT_PGM)) {
		struct psw old;

		out->answer = REFUSED;
		memcpy(&pgm, vm->mem + LC_PGM_CODE, sizeof(pgm));
		memcpy(&old, vm->mem + LC_PGM_OLD_PSW, sizeof(old));
		/* The instruction is suppressed: the old PSW points behind it. */
		if (old.addr == GUEST_CODE + 4 && pgm == PGM_PRIVILEGED)
			strcpy(out->exit, "privileged operation");
		else
			sprintf(out->exit, "PGM %x at %" PRIx64, pgm, old.addr);
	} else {
		die("%s: unexpected exit %u, icptcode %x, PSW %llx", row->what,
		    vm->run->exit_reason, vm->run->s390_sieic.icptcode,
		    (unsigned long long)vm->run->psw_addr);
	}
}

static void run_row(struct test_vm *vm, const struct row *row, struct outcome *out)
{
	uint64_t before[ARRAY_SIZE(counters)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		before[i] = counted(counters[i]);
	run_instruction(vm, row, out);
	out->counted_as = "";
	out->counted_all = 0;
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		uint64_t more = counted(counters[i]) - before[i];

		if (more)
			out->counted_as = counters[i];
		out->counted_all += more;
	}
}

/* Which of the module's counters must have counted it. */
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

/* What differs from the table of behaviour, in words; NULL when nothing does. */
static const char *row_judge(const struct row *row, enum mode mode, const struct outcome *out)
{
	bool ours = mode == CLAIM_ALL || (mode != KVM_ALONE && row->always_ours);
	enum answer answer = ours ? row->ours : row->kvms;
	const char *counter = expected_counter(row, ours);
	const uint64_t in[] = { 0, row->r1, row->r2, row->r3, row->r4, row->r5 };
	uint64_t expected;
	char exit[32];
	int i;

	if (out->answer != answer)
		return "answered by another one";
	for (i = 0; i < 16; i++) {
		expected = i < 6 ? in[i] : 0x0101010101010101ULL * (0x80 + i);
		if (i == 2 && answer == IN_KERNEL)
			expected = row->r2_out;
		if (out->gprs[i] != expected)
			return "a register is wrong";
	}
	for (i = 0; i < 3; i++)
		if (out->queue[i] != (answer == IN_KERNEL && row->queue == 'a' + i))
			return "an eventfd count is wrong";
	sprintf(exit, "SIEIC %04x %08x", row->insn >> 16, row->insn << 16);
	if (answer == USERSPACE && strcmp(out->exit, exit))
		return "the exit is wrong";
	if (answer == REFUSED && strcmp(out->exit, "privileged operation"))
		return "the program interruption is wrong";
	if (mode == KVM_ALONE && access("/sys/module/" MODULE_NAME, F_OK) == 0)
		return "the module is there";
	if (mode != KVM_ALONE && (out->counted_all != 1 || strcmp(out->counted_as, counter)))
		return "the module counted it wrongly";
	return NULL;
}

static void print_row(const struct row *row, const struct outcome *out, const char *wrong)
{
	char insn[48], regs[80], r2[24];
	uint32_t base = row->insn >> 12 & 0xf;

	if (base)
		sprintf(insn, "diag 0,0,0x%x(%u)", row->insn & 0xfff, base);
	else
		sprintf(insn, "diag 0,0,0x%x", row->insn & 0xfff);
	sprintf(regs, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64, row->r1, row->r2, row->r3,
		row->r4);
	if (out->gprs[2] != row->r2)
		sprintf(r2, "%" PRId64, (int64_t)out->gprs[2]);
	else
		strcpy(r2, "unchanged");
	printf("%-36s%-20s%-46s%-11s%-11s%" PRIu64 " %" PRIu64 " %" PRIu64 "   %s%s%s\n",
	       row->what, insn, regs,
	       out->answer == USERSPACE ? "userspace" :
	       !strncmp(out->counted_as, "served", 6) ? "module" : "KVM",
	       r2, out->queue[0], out->queue[1], out->queue[2], out->exit,
	       wrong ? "   <-- " : "", wrong ?: "");
}

static int tests, failures;

static void report(bool tap, bool ok, const char *fmt, ...)
{
	va_list ap;

	tests++;
	failures += !ok;
	if (!tap)
		return;
	printf("%s %d - ", ok ? "ok" : "not ok", tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static void test_row(bool tap, enum mode mode, struct test_vm *vm, const struct row *row)
{
	struct outcome out;
	const char *wrong;

	run_row(vm, row, &out);
	wrong = row_judge(row, mode, &out);
	if (!tap)
		print_row(row, &out, wrong);
	report(tap, !wrong, "%s: %s%s%s", modes[mode].title, row->what,
	       wrong ? ": " : "", wrong ?: "");
}

static void run_rows(bool tap, enum mode mode)
{
	struct test_vm css, no_css;
	size_t i;

	if (mode != OLDER_VM && modes[mode].param)
		attach(modes[mode].param);
	test_vm_create(&css, true);
	test_vm_create(&no_css, false);
	if (mode == OLDER_VM)
		attach(modes[mode].param);

	if (!tap) {
		printf("\n%s\n\n", modes[mode].title);
		printf("%-36s%-20s%-46s%-11s%-11s%s\n", "", "instruction", "r1 r2 r3 r4 in",
		       "answered", "r2 out", "eventfds of A/0 A/1 B/0, exit");
	}
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		test_row(tap, mode, rows[i].no_css ? &no_css : &css, &rows[i]);

	/* A cookie learned, then made stale by a queue that goes away below it. */
	queue_remove(&css.vm, SCHID_A, 0, css.a0);
	for (i = 0; i < ARRAY_SIZE(rows_without_a0); i++)
		test_row(tap, mode, &css, &rows_without_a0[i]);

	test_vm_destroy(&css);
	test_vm_destroy(&no_css);
	if (modes[mode].param)
		detach();
}

/* Load and unload under a guest that notifies */

struct notifier {
	struct test_vm t;
	uint64_t exits;		/* written by the vCPU's thread only */
	bool stop;
};

/* Queues 0 and 1 of subchannel A in turn; only the former is registered. */
static void *notifier_thread(void *arg)
{
	const struct loop loop = { .schid = SCHID_A, .count = UINT64_MAX, .queue_change = 1 };
	struct notifier *n = arg;
	struct vm *vm = &n->t.vm;

	start_loop(vm, 0, &loop);
	for (;;) {
		vcpu_run(vm);
		if (!at_diagnose(vm))
			break;
		__atomic_fetch_add(&n->exits, 1, __ATOMIC_RELEASE);
		if (__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE)) {
			vm->run->s.regs.gprs[6] = 1;
			vm->run->kvm_dirty_regs = KVM_SYNC_GPRS;
		}
	}
	return NULL;
}

/* Waits until the guest has gone on by some exits. False when it does not. */
static bool guest_goes_on(struct notifier *n)
{
	uint64_t goal = __atomic_load_n(&n->exits, __ATOMIC_ACQUIRE) + 10;
	time_t limit = time(NULL) + 60;

	while (__atomic_load_n(&n->exits, __ATOMIC_ACQUIRE) < goal) {
		if (time(NULL) > limit)
			return false;
		usleep(1000);
	}
	return true;
}

static void run_cycles(bool tap)
{
	struct notifier n = {};
	uint64_t events, issued, served = 0, forwarded = 0;
	bool went_on = true, took_part = true;
	pthread_t thread;
	int i;

	test_vm_create(&n.t, true);
	queue_remove(&n.t.vm, SCHID_A, 1, n.t.a1);
	if (pthread_create(&thread, NULL, notifier_thread, &n))
		die("no thread for the vCPU");
	for (i = 0; i < CYCLES && went_on; i++) {
		uint64_t s, f;

		went_on = guest_goes_on(&n);
		attach("");
		went_on = went_on && guest_goes_on(&n);
		s = counted("served");
		f = counted("forwarded_no_device");
		detach();
		took_part = took_part && s && f;
		served += s;
		forwarded += f;
	}
	went_on = went_on && guest_goes_on(&n);
	__atomic_store_n(&n.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);

	issued = n.t.vm.run->s.regs.gprs[7];
	events = eventfd_take(n.t.a0);
	report(tap, went_on, "the guest goes on while the module comes and goes, %d times", i);
	report(tap, took_part, "the module serves and forwards in every cycle (%" PRIu64
	       " and %" PRIu64 " in all)", served, forwarded);
	report(tap, at_wait(&n.t.vm, AT_DONE) && issued == events + n.exits,
	       "every notification is accounted for: %" PRIu64 " = %" PRIu64 " events + %"
	       PRIu64 " exits", issued, events, n.exits);
	report(tap, events == issued / 2 || events == (issued + 1) / 2,
	       "none reached the wrong side");
	test_vm_destroy(&n.t);
}

/* Time of a notification */

/* Nanoseconds a notification, served in the kernel or by this program. */
static uint64_t time_loop(struct test_vm *t, bool in_kernel)
{
	const struct loop loop = {
		.schid = SCHID_A, .count = LOOPS, .queue = in_kernel ? 0 : 7,
	};
	const uint64_t one = 1;
	struct vm *vm = &t->vm;
	uint64_t start;

	start_loop(vm, 0, &loop);
	start = now_ns();
	for (vcpu_run(vm); at_diagnose(vm); vcpu_run(vm)) {
		if (write(t->a0, &one, sizeof(one)) != sizeof(one))
			die("eventfd: %s", strerror(errno));
		vm->run->s.regs.gprs[2] = 0;
		vm->run->kvm_dirty_regs = KVM_SYNC_GPRS;
	}
	start = now_ns() - start;
	if (!at_wait(vm, AT_DONE) || eventfd_take(t->a0) != LOOPS)
		die("the timed loop lost notifications");
	return start / LOOPS;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

static void print_times(void)
{
	static uint64_t ns[2][2][ROUNDS];
	struct test_vm vm;
	int round, attached;

	for (round = 0; round < ROUNDS; round++) {
		for (attached = 0; attached < 2; attached++) {
			if (attached)
				attach("");
			test_vm_create(&vm, true);
			time_loop(&vm, true);
			ns[attached][0][round] = time_loop(&vm, true);
			ns[attached][1][round] = time_loop(&vm, false);
			test_vm_destroy(&vm);
			if (attached)
				detach();
		}
	}
	printf("\nTime of a notification, median of %d rounds of %d, in microseconds\n\n"
	       "%-24s%12s%12s\n", ROUNDS, LOOPS, "", "KVM alone", "attached");
	for (round = 0; round < 2; round++)
		printf("%-24s%12.1f%12.1f\n", round ? "through userspace" : "in the kernel",
		       median(ns[0][round]) / 1e3, median(ns[1][round]) / 1e3);
}

int main(int argc, char **argv)
{
	bool tap = argc == 2 && !strcmp(argv[1], "check");
	enum mode mode;

	if (!tap && (argc != 2 || strcmp(argv[1], "demo"))) {
		fprintf(stderr, "usage: vmm demo|check\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (mode = 0; mode < MODES; mode++)
		run_rows(tap, mode);
	if (!tap)
		printf("\nUnloaded again\n");
	run_rows(tap, KVM_ALONE);

	if (tap) {
		run_cycles(tap);
		printf("1..%d\n", tests);
	} else {
		print_times();
		printf("\nDiffered from the table of behaviour: ");
		if (failures)
			printf("%d of %d rows\n", failures, tests);
		else
			printf("nothing\n");
	}
	return failures != 0;
}
