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
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>

#define MODULE_FILE	"kvm-s390-diag.ko"
#define MODULE_NAME	"kvm_s390_diag"
#define COUNTERS	"/sys/kernel/debug/kvm/kvm-s390-diag/total"
#define CYCLES		20
#define ROUNDS		15
#define LOOPS		2000

#define GUEST_SIZE	0x100000UL
#define GUEST_CODE	0x10000UL
#define LC_PGM_CODE	0x8e
#define LC_PGM_OLD_PSW	0x150
#define LC_PGM_NEW_PSW	0x1d0
/* Reached by LPSWE with 12 bits of displacement and no base. */
#define DONE_PSW	0xf00

#define PSW_SUPERVISOR	0x0000000180000000UL
#define PSW_PROBLEM	0x0001000180000000UL
#define PSW_WAIT	0x0002000180000000UL
#define AT_DONE		0xd0e0UL
#define AT_PGM		0xbad0UL

#define ICPT_INST	0x04
#define ICPT_WAIT	0x1c
#define PGM_PRIVILEGED	2

/* Two subchannels of subchannel set 0. */
#define SCHID_A		0x00010005U
#define SCHID_B		0x00010007U

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct psw {
	uint64_t mask, addr;
};

struct vm {
	int fd, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
	int a0, a1, b0;		/* eventfds of the registered queues */
};

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "vmm: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(2);
}

static int xioctl(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die("%s: %s", what, strerror(errno));
	return ret;
}

/* The module */

static int module_load(const char *param)
{
	int fd = open(MODULE_FILE, O_RDONLY);
	int ret;

	if (fd < 0)
		die("%s: %s", MODULE_FILE, strerror(errno));
	ret = syscall(SYS_finit_module, fd, param, 0);
	close(fd);
	return ret;
}

static void attach(const char *param)
{
	if (module_load(param))
		die("loading the module with '%s': %s", param, strerror(errno));
}

static void detach(void)
{
	if (syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK))
		die("unloading the module: %s", strerror(errno));
}

/* Sum of the counters whose name starts with prefix; 0 when not attached. */
static uint64_t counted(const char *prefix)
{
	FILE *f = fopen(COUNTERS, "r");
	uint64_t value, sum = 0;
	char name[64];

	if (!f)
		return 0;
	while (fscanf(f, "%63s %" SCNu64, name, &value) == 2)
		if (!strncmp(name, prefix, strlen(prefix)))
			sum += value;
	fclose(f);
	return sum;
}

/* The VM */

static int add_queue(struct vm *vm, uint32_t schid, uint64_t queue, int fd, bool remove)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = queue,
		.addr = schid,
		.len = 8,
		.fd = fd >= 0 ? fd : eventfd(0, EFD_NONBLOCK),
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY |
			 (remove ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0),
	};

	xioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd, "KVM_IOEVENTFD");
	return ioeventfd.fd;
}

static void vm_create(struct vm *vm, bool css)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_S390_CSS_SUPPORT };
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };
	const struct psw done = { PSW_WAIT, AT_DONE }, pgm = { PSW_WAIT, AT_PGM };
	int kvm = open("/dev/kvm", O_RDWR);
	int size;

	if (kvm < 0)
		die("/dev/kvm: %s; is kvm.ko loaded?", strerror(errno));
	vm->fd = xioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	size = xioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	close(kvm);

	/* Guest memory begins at a segment boundary of the address space. */
	vm->mem = mmap(NULL, 2 * GUEST_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->mem == MAP_FAILED)
		die("guest memory: %s", strerror(errno));
	vm->mem += -(uintptr_t)vm->mem & (GUEST_SIZE - 1);
	region.userspace_addr = (uintptr_t)vm->mem;
	xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	memcpy(vm->mem + LC_PGM_NEW_PSW, &pgm, sizeof(pgm));
	memcpy(vm->mem + DONE_PSW, &done, sizeof(done));

	vm->vcpu = xioctl(vm->fd, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	if (css)
		xioctl(vm->vcpu, KVM_ENABLE_CAP, &cap, "KVM_CAP_S390_CSS_SUPPORT");
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die("kvm_run: %s", strerror(errno));

	vm->a0 = add_queue(vm, SCHID_A, 0, -1, false);
	vm->a1 = add_queue(vm, SCHID_A, 1, -1, false);
	vm->b0 = add_queue(vm, SCHID_B, 0, -1, false);
}

static void vm_destroy(struct vm *vm)
{
	int size = sysconf(_SC_PAGESIZE);

	munmap(vm->run, size);
	close(vm->vcpu);
	close(vm->fd);
	close(vm->a0);
	close(vm->a1);
	close(vm->b0);
	munmap(vm->mem, GUEST_SIZE);
}

static uint64_t eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void vm_start(struct vm *vm, const void *code, size_t size, uint64_t psw_mask)
{
	memcpy(vm->mem + GUEST_CODE, code, size);
	vm->run->psw_mask = psw_mask;
	vm->run->psw_addr = GUEST_CODE;
	vm->run->kvm_dirty_regs = KVM_SYNC_GPRS;
}

static void vcpu_run(struct vm *vm)
{
	int ret;

	do {
		ret = ioctl(vm->vcpu, KVM_RUN, 0);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		die("KVM_RUN: %s", strerror(errno));
}

static bool at_wait(const struct vm *vm, uint64_t addr)
{
	return vm->run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       vm->run->s390_sieic.icptcode == ICPT_WAIT && vm->run->psw_addr == addr;
}

static bool at_diagnose(const struct vm *vm)
{
	return vm->run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       vm->run->s390_sieic.icptcode == ICPT_INST &&
	       vm->run->s390_sieic.ipa >> 8 == 0x83;
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

static const char *const counters[] = { "served", "forwarded", "left_to_kvm", "privileged",
					"bus_gone" };

static void run_instruction(struct vm *vm, const struct row *row, struct outcome *out)
{
	const uint32_t code[] = { row->insn, 0xb2b20000 | DONE_PSW };
	__u64 *gprs = vm->run->s.regs.gprs;
	uint16_t pgm;
	int i;

	vm_start(vm, code, sizeof(code), row->problem_state ? PSW_PROBLEM : PSW_SUPERVISOR);
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
	out->queue[0] = eventfd_take(vm->a0);
	out->queue[1] = eventfd_take(vm->a1);
	out->queue[2] = eventfd_take(vm->b0);
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

static void run_row(struct vm *vm, const struct row *row, struct outcome *out)
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
	return row->ours == IN_KERNEL ? "served" : "forwarded";
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
	       !strcmp(out->counted_as, "served") ? "module" : "KVM",
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

static void test_row(bool tap, enum mode mode, struct vm *vm, const struct row *row)
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
	struct vm css, no_css;
	size_t i;

	if (mode != OLDER_VM && modes[mode].param)
		attach(modes[mode].param);
	vm_create(&css, true);
	vm_create(&no_css, false);
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
	add_queue(&css, SCHID_A, 0, css.a0, true);
	for (i = 0; i < ARRAY_SIZE(rows_without_a0); i++)
		test_row(tap, mode, &css, &rows_without_a0[i]);

	vm_destroy(&css);
	vm_destroy(&no_css);
	if (modes[mode].param)
		detach();
}

/*
 * A guest that notifies in a loop: r7 counts, r6 is how often still, r8 is the
 * subchannel, r9 is what changes the queue each time, r2 comes back as cookie.
 */
static const uint32_t notify_loop[] = {
	0xb9040028,	/* lgr r2,r8 */
	0xb9820039,	/* xgr r3,r9 */
	0x83000500,	/* diag 0,0,0x500 */
	0xb9040042,	/* lgr r4,r2 */
	0xa77b0001,	/* aghi r7,1 */
	0xa767fff6,	/* brctg r6,back to the lgr */
	0xb2b20000 | DONE_PSW,
};

static void start_loop(struct vm *vm, uint64_t count, uint64_t queue, uint64_t queue_change)
{
	__u64 *gprs = vm->run->s.regs.gprs;

	vm_start(vm, notify_loop, sizeof(notify_loop), PSW_SUPERVISOR);
	gprs[1] = 3;
	gprs[3] = queue;
	gprs[4] = -1;
	gprs[6] = count;
	gprs[7] = 0;
	gprs[8] = SCHID_A;
	gprs[9] = queue_change;
}

/* Load and unload under a guest that notifies */

struct notifier {
	struct vm vm;
	uint64_t exits;		/* written by the vCPU's thread only */
	bool stop;
};

/* Queues 0 and 1 of subchannel A in turn; only the former is registered. */
static void *notifier_thread(void *arg)
{
	struct notifier *n = arg;

	start_loop(&n->vm, UINT64_MAX, 1, 1);
	for (;;) {
		vcpu_run(&n->vm);
		if (!at_diagnose(&n->vm))
			break;
		__atomic_fetch_add(&n->exits, 1, __ATOMIC_RELEASE);
		if (__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE)) {
			n->vm.run->s.regs.gprs[6] = 1;
			n->vm.run->kvm_dirty_regs = KVM_SYNC_GPRS;
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

	vm_create(&n.vm, true);
	add_queue(&n.vm, SCHID_A, 1, n.vm.a1, true);
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

	issued = n.vm.run->s.regs.gprs[7];
	events = eventfd_take(n.vm.a0);
	report(tap, went_on, "the guest goes on while the module comes and goes, %d times", i);
	report(tap, took_part, "the module serves and forwards in every cycle (%" PRIu64
	       " and %" PRIu64 " in all)", served, forwarded);
	report(tap, at_wait(&n.vm, AT_DONE) && issued == events + n.exits,
	       "every notification is accounted for: %" PRIu64 " = %" PRIu64 " events + %"
	       PRIu64 " exits", issued, events, n.exits);
	report(tap, events == issued / 2 || events == (issued + 1) / 2,
	       "none reached the wrong side");
	vm_destroy(&n.vm);
}

/* Time of a notification */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Nanoseconds a notification, served in the kernel or by this program. */
static uint64_t time_loop(struct vm *vm, bool in_kernel)
{
	const uint64_t one = 1;
	uint64_t start;

	start_loop(vm, LOOPS, in_kernel ? 0 : 7, 0);
	start = now_ns();
	for (vcpu_run(vm); at_diagnose(vm); vcpu_run(vm)) {
		if (write(vm->a0, &one, sizeof(one)) != sizeof(one))
			die("eventfd: %s", strerror(errno));
		vm->run->s.regs.gprs[2] = 0;
		vm->run->kvm_dirty_regs = KVM_SYNC_GPRS;
	}
	start = now_ns() - start;
	if (!at_wait(vm, AT_DONE) || eventfd_take(vm->a0) != LOOPS)
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
	struct vm vm;
	int round, attached;

	for (round = 0; round < ROUNDS; round++) {
		for (attached = 0; attached < 2; attached++) {
			if (attached)
				attach("");
			vm_create(&vm, true);
			time_loop(&vm, true);
			ns[attached][0][round] = time_loop(&vm, true);
			ns[attached][1][round] = time_loop(&vm, false);
			vm_destroy(&vm);
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
