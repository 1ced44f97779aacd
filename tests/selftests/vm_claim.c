// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests /dev/kvm-s390-diag: a VMM sets who answers the DIAGNOSEs of its own VM. The first tests
 * check the ioctls, the others what the guest and the VMM see. Documentation/vmm-api.rst has the
 * rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diag_util.h"
#include "kvm_s390_diag.h"

#define DEVICE		"/dev/kvm-s390-diag"
#define COUNTERS	"/sys/kernel/debug/kvm/kvm-s390-diag"
#define SCHID		0x00010005U
#define LAST_CODE	0xffff

/* Not an action of the interface: the VMM has set nothing. */
#define NOT_SET		0
#define TO_USERSPACE	KVM_S390_DIAG_TO_USERSPACE
#define TO_KERNEL	KVM_S390_DIAG_TO_KERNEL

static int open_device(void)
{
	return open_path_or_exit(DEVICE, O_RDWR | O_CLOEXEC);
}

/* Returns the return value of the ioctl, or a negative errno. */
static long call(int device, unsigned long request, void *arg)
{
	long ret = ioctl(device, request, arg);

	return ret < 0 ? -errno : ret;
}

static long set(int device, int vm_fd, uint32_t first, uint32_t last, uint32_t action)
{
	struct kvm_s390_diag_range range = {
		.vm_fd = vm_fd, .first = first, .last = last, .action = action,
	};

	return call(device, KVM_S390_DIAG_SET, &range);
}

static long get(int device, int vm_fd, uint32_t first, struct kvm_s390_diag_range *range)
{
	*range = (struct kvm_s390_diag_range) { .vm_fd = vm_fd, .first = first };
	return call(device, KVM_S390_DIAG_GET, range);
}

/*
 * Compares all ranges that GET returns for a VM with a list such as "0x1-0x2:1 0x5-0x5:2 ". Each
 * call begins after the end of the range before.
 */
static bool has_ranges(int device, int vm_fd, const char *expected)
{
	struct kvm_s390_diag_range range = { .vm_fd = vm_fd };
	char text[512] = "";
	int length = 0;
	long rc = 0;

	while (length < sizeof(text) - 32 &&
	       !(rc = call(device, KVM_S390_DIAG_GET, &range))) {
		length += snprintf(text + length, sizeof(text) - length, "0x%x-0x%x:%u ",
				   range.first, range.last, range.action);
		range.first = range.last + 1;
	}
	if (!strcmp(text, expected) && rc == -ENOENT)
		return true;
	ksft_print_msg("expected the ranges: %s; found: %s\n", expected, text);
	return false;
}

static void expect(const char *what, long got, long expected)
{
	ksft_test_result(got == expected, "%s: %ld\n", what, got);
}

/* Does the debugfs file of a VM that this thread has created show this line? */
static bool file_shows(int vm_fd, const char *expected)
{
	char path[128], line[128];
	bool shows = false;
	FILE *f;

	snprintf(path, sizeof(path), COUNTERS "/%d-%d", gettid(), vm_fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (!shows && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		shows = !strcmp(line, expected);
	}
	fclose(f);
	return shows;
}

/* The same, where the last field of the line is the number of this process. */
static bool file_shows_ours(int vm_fd, const char *range_and_action)
{
	char line[128];

	snprintf(line, sizeof(line), "set %s %d", range_and_action, getpid());
	return file_shows(vm_fd, line);
}

/* A VM, which gets its vCPU and its queue after the VMM has set who answers */

struct machine {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int queue;
};

static void guest_unused(void)
{
}

static void machine_start(struct machine *m, void *guest_code)
{
	m->vcpu = vm_vcpu_add(m->vm, 0, guest_code);
	vcpu_enable_cap(m->vcpu, KVM_CAP_S390_CSS_SUPPORT, 0);
	m->queue = queue_add(m->vm, SCHID, 0, -1);
}

static void machine_destroy(struct machine *m)
{
	kvm_vm_free(m->vm);
	close(m->queue);
}

enum answer { RESUMES, SIEIC, RESET, WRONG };

/*
 * The DIAGNOSEs of the tests. KVM's own handler gives the answer of the last column. For 0x308,
 * r1 is the register with the subcode. The last one has a base register.
 */
static const struct diagnose {
	uint32_t insn;
	uint16_t code;
	uint64_t subcode;
	enum answer by_kvm;
} diagnoses[] = {
	{ 0x83240500, 0x500, 3, RESUMES },
	{ 0x83240500, 0x500, 0, SIEIC },
	{ 0x83240500, 0x500, 1, SIEIC },
	{ 0x83240500, 0x500, 2, SIEIC },
	{ 0x83240500, 0x500, 4, SIEIC },
	{ 0x83000044, 0x44, 0, RESUMES },
	{ 0x8300009c, 0x9c, 0, RESUMES },
	{ 0x83010308, 0x308, 3, RESET },
	{ 0x83000501, 0x501, 0, SIEIC },
	{ 0x8300afff, 0xffff, 0, SIEIC },
};

/* Has the guest issue a DIAGNOSE. SIEIC is an exit with all registers unchanged. */
static enum answer issue(const struct machine *m, const struct diagnose *d)
{
	/* r0 is the target of 0x9c, r4 the right cookie, and r10 the base register. */
	const uint64_t gprs[16] = {
		[1] = d->subcode, [2] = SCHID, [5] = 0x5555, [10] = 0xf000, [15] = -1,
	};
	struct kvm_run *run = m->vcpu->run;

	vcpu_execute(m->vcpu, d->insn, gprs, false);
	if (at_wait(m->vcpu, AT_DONE))
		return RESUMES;
	if (run->exit_reason == KVM_EXIT_S390_RESET)
		return RESET;
	if (run->exit_reason == KVM_EXIT_S390_SIEIC &&
	    run->s390_sieic.icptcode == ICPT_INSTRUCTION &&
	    (run->s390_sieic.ipa << 16 | run->s390_sieic.ipb >> 16) == d->insn &&
	    !memcmp(run->s.regs.gprs, gprs, sizeof(gprs)))
		return SIEIC;
	return WRONG;
}

static bool claimed(const char *claim, uint16_t code)
{
	return !strcmp(claim, "claim=all") || strtoul(claim + strlen("claim="), NULL, 16) == code;
}

/* Returns the answer by the rules of the interface, and the counter of the module, or "". */
static enum answer expected_answer(const char *claim, uint32_t action, const struct diagnose *d,
				   const char **counter)
{
	*counter = "forwarded_requested";
	if (action == TO_USERSPACE)
		return SIEIC;
	if (d->code == 0x500 && (action == TO_KERNEL || claimed(claim, 0x500))) {
		*counter = d->subcode == 3 ? "served_cookie" : "forwarded_other_subcode";
		return d->by_kvm;
	}
	*counter = "forwarded_other_code";
	if (action == NOT_SET && claimed(claim, d->code))
		return SIEIC;
	*counter = "";
	return d->by_kvm;
}

/* The module's counters that a guest of this program can increase. */
static const char * const counters[] = {
	"served_cookie", "forwarded_other_subcode", "forwarded_other_code", "forwarded_requested",
};

struct tally {
	uint64_t of[ARRAY_SIZE(counters)];
};

/* Issues all DIAGNOSEs. Returns the number of wrong answers, and adds up the expected counts. */
static int issue_all(const struct machine *m, const char *claim, uint32_t action,
		     struct tally *tally)
{
	enum answer expected, got;
	const char *counter;
	int i, c, wrong = 0;

	for (i = 0; i < ARRAY_SIZE(diagnoses); i++) {
		expected = expected_answer(claim, action, &diagnoses[i], &counter);
		for (c = 0; c < ARRAY_SIZE(counters); c++)
			tally->of[c] += !strcmp(counter, counters[c]);
		got = issue(m, &diagnoses[i]);
		if (got == expected)
			continue;
		ksft_print_msg("%s, action %u, 0x%x/%" PRIu64 ": answer %d, not %d\n", claim,
			       action, diagnoses[i].code, diagnoses[i].subcode, got, expected);
		wrong++;
	}
	return wrong;
}

/* Has the module counted exactly this since it was loaded? */
static bool counted(const struct tally *tally)
{
	bool same = true;
	uint64_t got;
	int c;

	for (c = 0; c < ARRAY_SIZE(counters); c++) {
		got = module_counted(counters[c]);
		if (got == tally->of[c])
			continue;
		ksft_print_msg("%s is %" PRIu64 ", not %" PRIu64 "\n", counters[c], got,
			       tally->of[c]);
		same = false;
	}
	return same;
}

/* The ioctls */

static void test_api(void)
{
	int device = open_device();

	expect("KVM_S390_DIAG_API", call(device, KVM_S390_DIAG_API, NULL), 1);
	expect("KVM_S390_DIAG_API with an argument", call(device, KVM_S390_DIAG_API, (void *)1),
	       -EINVAL);
	expect("an unknown ioctl", call(device, _IO(0xd1, 0x03), NULL), -ENOTTY);
	expect("an ioctl of KVM", call(device, KVM_GET_API_VERSION, NULL), -ENOTTY);
	expect("SET of another size", call(device, _IOW(0xd1, 0x01, uint32_t), NULL), -ENOTTY);
	expect("SET with a bad pointer", call(device, KVM_S390_DIAG_SET, (void *)-8), -EFAULT);
	expect("GET with a bad pointer", call(device, KVM_S390_DIAG_GET, (void *)-8), -EFAULT);
	close(device);
}

static void test_arguments(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_s390_diag_range range;
	int i, bad = 0, device = open_device();
	const struct kvm_s390_diag_range sets[] = {
		{ .first = 0x10, .last = 0x20, .action = TO_USERSPACE, .flags = 1 },
		{ .first = 0x10, .last = 0x20, .action = TO_USERSPACE, .flags = 1U << 31 },
		{ .first = 0x10, .last = 0x20, .action = TO_USERSPACE, .pad = { 1 } },
		{ .first = 0x10, .last = 0x20, .action = TO_USERSPACE, .pad = { 0, 1 } },
		{ .first = 0x10, .last = 0x20, .action = TO_USERSPACE, .pad = { 0, 0, 1 } },
		{ .first = 0x10, .last = 0x20, .action = 0 },
		{ .first = 0x10, .last = 0x20, .action = 3 },
		{ .first = 0x10, .last = 0x20, .action = -1 },
		{ .first = 0x20, .last = 0x10, .action = TO_USERSPACE },
		{ .first = 0xffff, .last = 0x10000, .action = TO_KERNEL },
		{ .first = 0x10000, .last = 0x10000, .action = TO_KERNEL },
		{ .first = 0, .last = -1, .action = TO_KERNEL },
		{ .first = -1, .last = 0, .action = TO_USERSPACE },
		{ .first = 0x80000000, .last = 0x7fffffff, .action = TO_USERSPACE },
	};
	const struct kvm_s390_diag_range gets[] = {
		{ .flags = 1 }, { .pad = { 1 } }, { .pad = { 0, 1 } }, { .pad = { 0, 0, 1 } },
		{ .first = 0x10001 }, { .first = -1 },
	};

	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		range = sets[i];
		range.vm_fd = vm->fd;
		bad += call(device, KVM_S390_DIAG_SET, &range) != -EINVAL;
	}
	expect("SET: bad arguments that have the wrong error", bad, 0);
	ksft_test_result(has_ranges(device, vm->fd, ""), "a SET that fails changes nothing\n");
	expect("SET of 0xffff", set(device, vm->fd, LAST_CODE, LAST_CODE, TO_KERNEL), 0);
	expect("SET of 0 to 0xfffe", set(device, vm->fd, 0, LAST_CODE - 1, TO_USERSPACE), 0);
	for (bad = 0, i = 0; i < ARRAY_SIZE(gets); i++) {
		range = gets[i];
		range.vm_fd = vm->fd;
		bad += call(device, KVM_S390_DIAG_GET, &range) != -EINVAL;
	}
	expect("GET: bad arguments that have the wrong error", bad, 0);
	ksft_test_result(has_ranges(device, vm->fd, "0x0-0xfffe:1 0xffff-0xffff:2 "),
			 "GET returns all ranges\n");
	close(device);
	kvm_vm_free(vm);
}

static void test_overlap(void)
{
	const uint32_t overlaps[][2] = {
		{ 0x100, 0x200 }, { 0x180, 0x180 }, { 0, 0x100 }, { 0x200, 0x2ff },
		{ 0x50, 0x500 }, { 0x200, 0x300 }, { 0x400, 0xffff }, { 0, 0xffff },
	};
	struct kvm_vm *vm = vm_create_barebones(), *neighbour = vm_create_barebones();
	int i, bad = 0, device = open_device(), other = open_device();
	struct kvm_s390_diag_range range;

	/* The ranges are not set in their order. */
	expect("SET of a range", set(device, vm->fd, 0x300, 0x400, TO_KERNEL), 0);
	expect("SET of another range", set(device, vm->fd, 0x100, 0x200, TO_USERSPACE), 0);
	for (i = 0; i < ARRAY_SIZE(overlaps); i++) {
		bad += set(device, vm->fd, overlaps[i][0], overlaps[i][1], TO_KERNEL) != -EEXIST;
		bad += set(other, vm->fd, overlaps[i][0], overlaps[i][1], TO_USERSPACE) != -EEXIST;
	}
	expect("SET: overlapping ranges that have the wrong error", bad, 0);
	expect("SET of the codes between both ranges",
	       set(other, vm->fd, 0x201, 0x2ff, TO_KERNEL), 0);
	expect("SET of the same codes for another VM",
	       set(device, neighbour->fd, 0x180, 0x380, TO_KERNEL), 0);
	ksft_test_result(has_ranges(device, vm->fd, "0x100-0x200:1 0x201-0x2ff:2 0x300-0x400:2 ") &&
			 has_ranges(other, neighbour->fd, "0x180-0x380:2 "),
			 "GET returns the ranges of all files, in the order of the codes\n");
	ksft_test_result(!get(device, vm->fd, 0x200, &range) && range.first == 0x100 &&
			 !get(device, vm->fd, 0x400, &range) && range.first == 0x300 &&
			 get(device, vm->fd, 0x401, &range) == -ENOENT,
			 "GET returns the lowest range that ends at the code or above\n");
	close(device);
	close(other);
	kvm_vm_free(neighbour);
	kvm_vm_free(vm);
}

static void test_descriptors(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_unused);
	int i, bad = 0, pipes[2], sockets[2], device = open_device();
	struct kvm_s390_diag_range range;

	TEST_ASSERT(!pipe(pipes) && !socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), "%s",
		    strerror(errno));
	const struct {
		const char *what;
		int fd;
		long expected;
	} wrong[] = {
		{ "-1", -1, -EBADF },
		{ "the least number", -0x7fffffff - 1, -EBADF },
		{ "a number that is too large", 0x7fffffff, -EBADF },
		{ "a closed descriptor", pipes[1], -EBADF },
		{ "a descriptor of O_PATH", open_path_or_exit("/dev/kvm", O_PATH), -EBADF },
		{ "a file", open_path_or_exit("/proc/self/exe", O_RDONLY), -EINVAL },
		{ "a directory", open_path_or_exit("/", O_RDONLY | O_DIRECTORY), -EINVAL },
		{ "a pipe", pipes[0], -EINVAL },
		{ "a socket", sockets[0], -EINVAL },
		{ "an eventfd", eventfd(0, 0), -EINVAL },
		{ "a memfd", memfd_create("vm_claim", 0), -EINVAL },
		{ "/dev/kvm", open_kvm_dev_path_or_exit(), -EINVAL },
		{ "a vCPU", vcpu->fd, -EINVAL },
		{ "the statistics of a VM", vm_get_stats_fd(vm), -EINVAL },
		{ "the device itself", device, -EINVAL },
	};

	/* Now, so that none of the other descriptors gets its number. */
	close(pipes[1]);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (set(device, wrong[i].fd, 0, LAST_CODE, TO_USERSPACE) == wrong[i].expected &&
		    get(device, wrong[i].fd, 0, &range) == wrong[i].expected)
			continue;
		ksft_print_msg("%s is accepted, or has the wrong error\n", wrong[i].what);
		bad++;
	}
	expect("SET and GET: descriptors that have the wrong error", bad, 0);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		if (wrong[i].expected == -EINVAL && wrong[i].fd != vcpu->fd)
			close(wrong[i].fd);
	close(wrong[4].fd);
	close(sockets[1]);
	kvm_vm_free(vm);
}

static void test_first_vcpu(void)
{
	struct machine m = { .vm = vm_create(1) };
	int device = open_device();

	expect("SET before the first vCPU", set(device, m.vm->fd, 0x44, 0x44, TO_USERSPACE), 0);
	machine_start(&m, guest_unused);
	expect("SET after the first vCPU", set(device, m.vm->fd, 0x9c, 0x9c, TO_USERSPACE),
	       -EBUSY);
	ksft_test_result(has_ranges(device, m.vm->fd, "0x44-0x44:1 "),
			 "GET after the first vCPU\n");
	close(device);
	device = open_device();
	expect("SET after the file was closed", set(device, m.vm->fd, 0x44, 0x44, TO_USERSPACE),
	       -EBUSY);
	close(device);
	machine_destroy(&m);
}

#define MAX_RANGES	256

static void test_limit(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int device = open_device(), other = open_device();
	uint32_t code;

	for (code = 0; code < MAX_RANGES && !set(device, vm->fd, code, code, TO_KERNEL); code++)
		;
	expect("SET of so many ranges", code, MAX_RANGES);
	expect("SET of one more", set(other, vm->fd, code, code, TO_KERNEL), -ENOSPC);
	close(device);
	expect("SET after the file was closed", set(other, vm->fd, 0, LAST_CODE, TO_KERNEL), 0);
	close(other);
	kvm_vm_free(vm);
}

static void test_ioctls(void)
{
	module_attach("claim=0x500");
	test_api();
	test_arguments();
	test_overlap();
	test_limit();
	test_descriptors();
	test_first_vcpu();
	module_detach();
}

/* Who answers */

static void test_answers(const char *claim)
{
	static const uint32_t actions[] = { NOT_SET, TO_USERSPACE, TO_KERNEL };
	int i, round, device, wrong = 0, served, events;
	struct tally tally = {}, before;
	struct machine m;

	module_attach(claim);
	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		m.vm = vm_create(1);
		device = open_device();
		if (actions[i])
			expect("SET of all codes",
			       set(device, m.vm->fd, 0, LAST_CODE, actions[i]), 0);
		machine_start(&m, guest_unused);
		before = tally;
		/* In the second round, the CPU has cached the VM. */
		for (round = 0; round < 2; round++)
			wrong += issue_all(&m, claim, actions[i], &tally);
		events = eventfd_take(m.queue);
		served = actions[i] == TO_USERSPACE ? 0 : round;
		ksft_test_result(events == served, "%s, action %u: %d notifications are served\n",
				 claim, actions[i], events);
		ksft_test_result(memcmp(&before, &tally, sizeof(tally)) && counted(&tally),
				 "%s, action %u: the counters are right\n", claim, actions[i]);
		close(device);
		machine_destroy(&m);
	}
	ksft_test_result(!wrong, "%s: %d wrong answers\n", claim, wrong);
	module_detach();
}

/* A setting affects neither other codes nor other VMs. */
static void test_only_these(void)
{
	struct machine m = { .vm = vm_create(1) }, other = { .vm = vm_create(1) };
	const struct diagnose *notify = &diagnoses[0], *yield = &diagnoses[5];
	const uint64_t gprs[16] = {};
	int device;

	module_attach("claim=0x500");
	device = open_device();
	set(device, m.vm->fd, 0x44, 0x44, TO_USERSPACE);
	machine_start(&m, guest_unused);
	machine_start(&other, guest_unused);
	ksft_test_result(issue(&m, yield) == SIEIC && issue(&m, notify) == RESUMES &&
			 issue(&m, &diagnoses[6]) == RESUMES,
			 "a code that is not set follows claim\n");
	ksft_test_result(issue(&other, yield) == RESUMES && issue(&m, yield) == SIEIC &&
			 issue(&other, yield) == RESUMES,
			 "another VM follows claim, in turn with this VM\n");
	vcpu_execute(m.vcpu, yield->insn, gprs, true);
	ksft_test_result(at_wait(m.vcpu, AT_PGM), "problem state: a program interruption\n");
	ksft_test_result(WAIT(file_shows_ours(m.vm->fd, "0x44-0x44 to_userspace")),
			 "the file of the VM shows the setting\n");
	close(device);
	ksft_test_result(issue(&m, yield) == RESUMES,
			 "after the file was closed, the code follows claim\n");
	ksft_test_result(!file_shows_ours(m.vm->fd, "0x44-0x44 to_userspace"),
			 "after the file was closed, the file of the VM shows no setting\n");
	machine_destroy(&other);
	machine_destroy(&m);
	module_detach();
}

/* The end of a setting */

static void test_two_files(void)
{
	struct machine m = { .vm = vm_create(1) };
	int first, second, duplicate;

	module_attach("claim=0x500");
	first = open_device();
	second = open_device();
	set(first, m.vm->fd, 0x44, 0x44, TO_USERSPACE);
	set(second, m.vm->fd, 0x9c, 0x9c, TO_USERSPACE);
	duplicate = dup(second);
	machine_start(&m, guest_unused);
	ksft_test_result(WAIT(file_shows_ours(m.vm->fd, "0x44-0x44 to_userspace") &&
			      file_shows_ours(m.vm->fd, "0x9c-0x9c to_userspace")),
			 "two files: the file of the VM shows both\n");
	close(second);
	ksft_test_result(issue(&m, &diagnoses[6]) == SIEIC,
			 "a duplicate of the descriptor keeps the setting\n");
	close(duplicate);
	ksft_test_result(issue(&m, &diagnoses[6]) == RESUMES &&
			 issue(&m, &diagnoses[5]) == SIEIC &&
			 has_ranges(first, m.vm->fd, "0x44-0x44:1 "),
			 "two files: closing one ends only its own setting\n");
	close(first);
	machine_destroy(&m);
	module_detach();
}

/* Notifies and yields for ever. */
static void guest_runs(void)
{
	int64_t cookie = -1;
	uint64_t i;

	for (i = 0;; i++) {
		cookie = guest_notify(SCHID, 0, cookie);
		asm volatile("diag 0,0,0x44" : : : "memory");
		if (i % 16 == 15)
			GUEST_SYNC(i);
	}
}

static struct {
	bool stop;
	uint64_t syncs;
} running;

static void *run_guest(void *arg)
{
	struct kvm_vcpu *vcpu = arg;

	while (!READ_ONCE(running.stop)) {
		vcpu_run(vcpu);
		if (at_diagnose(vcpu, 0x500))
			answer(vcpu, ANSWERED_BY_USERSPACE);
		else if (!at_diagnose(vcpu, 0x44) && get_ucall(vcpu, NULL) == UCALL_SYNC)
			WRITE_ONCE(running.syncs, running.syncs + 1);
	}
	return NULL;
}

static bool syncs(int more)
{
	uint64_t goal = READ_ONCE(running.syncs) + more;

	return WAIT(READ_ONCE(running.syncs) >= goal);
}

#define CLOSE_CYCLES	3

/* The file is closed while the vCPU runs. */
static void test_close(void)
{
	const char *counter = "forwarded_requested";
	int i, device, grew = 0, stopped = 0, served = 0;
	uint64_t before, after;
	struct machine m;
	pthread_t thread;

	module_attach("claim=0x500");
	for (i = 0; i < CLOSE_CYCLES; i++) {
		m.vm = vm_create(1);
		device = open_device();
		set(device, m.vm->fd, 0, LAST_CODE, TO_USERSPACE);
		machine_start(&m, guest_runs);
		WRITE_ONCE(running.stop, false);
		before = module_counted(counter);
		pthread_create(&thread, NULL, run_guest, m.vcpu);
		grew += syncs(2) && module_counted(counter) > before;
		close(device);
		/* One DIAGNOSE may have been decided before. */
		syncs(2);
		before = module_counted(counter);
		eventfd_take(m.queue);
		after = syncs(10) ? module_counted(counter) : -1;
		stopped += after == before;
		served += eventfd_take(m.queue) > 0;
		WRITE_ONCE(running.stop, true);
		pthread_join(thread, NULL);
		machine_destroy(&m);
	}
	ksft_test_result(grew == i, "%s grows while the file is open\n", counter);
	ksft_test_result(stopped == i, "%s stops when the file is closed\n", counter);
	ksft_test_result(served == i, "notifications are served after that\n");
	module_detach();
}

static bool unloads(void)
{
	return !syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK);
}

/* The guest may rely on the kernel's answers. */
static void test_close_to_kernel(const char *claim)
{
	struct machine m = { .vm = vm_create(1) };
	struct tally tally = {};
	int device, other;

	module_attach(claim);
	device = open_device();
	set(device, m.vm->fd, 0, LAST_CODE, TO_KERNEL);
	machine_start(&m, guest_unused);
	issue_all(&m, claim, TO_KERNEL, &tally);
	close(device);
	ksft_test_result(!issue_all(&m, claim, TO_KERNEL, &tally) && counted(&tally),
			 "%s: after the file was closed, codes still go to the kernel\n", claim);
	other = open_device();
	ksft_test_result(has_ranges(other, m.vm->fd, "0x0-0xffff:2 ") &&
			 WAIT(file_shows(m.vm->fd, "set 0x0-0xffff to_kernel 0")),
			 "%s: GET and the file of the VM show the range\n", claim);
	close(other);
	machine_destroy(&m);
	ksft_test_result(unloads(), "%s: the module unloads\n", claim);
}

static void test_destroyed(void)
{
	struct kvm_vm *vm;
	int device;

	module_attach("claim=0x500");
	device = open_device();
	vm = vm_create_barebones();
	set(device, vm->fd, 0, LAST_CODE, TO_USERSPACE);
	kvm_vm_free(vm);
	vm = vm_create_barebones();
	ksft_test_result(has_ranges(device, vm->fd, ""), "a setting ends with its VM\n");
	expect("SET for the next VM", set(device, vm->fd, 0, LAST_CODE, TO_KERNEL), 0);
	close(device);
	kvm_vm_free(vm);
	module_detach();
}

static void test_unload(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int device;

	module_attach("claim=0x500");
	device = open_device();
	ksft_test_result(!unloads() && errno == EWOULDBLOCK,
			 "an open file keeps the module from being unloaded\n");
	set(device, vm->fd, 0, LAST_CODE, TO_USERSPACE);
	ksft_test_result(!unloads() && errno == EWOULDBLOCK,
			 "so does an open file with a setting\n");
	close(device);
	ksft_test_result(unloads(), "the module unloads when the file is closed\n");
	ksft_test_result(access(DEVICE, F_OK) == -1, "the device file disappears\n");
	kvm_vm_free(vm);
}

static void test_older_vm(void)
{
	struct machine older = { .vm = vm_create(1) }, no_vcpu = { .vm = vm_create(1) };
	struct kvm_s390_diag_range range;
	int device;

	machine_start(&older, guest_unused);
	module_attach("claim=0x500");
	device = open_device();
	expect("SET for a VM older than the module", set(device, older.vm->fd, 0x44, 0x44,
							 TO_USERSPACE), -EBUSY);
	expect("GET for a VM older than the module", get(device, older.vm->fd, 0, &range),
	       -ENOENT);
	expect("SET for a VM that had no vCPU when the module was loaded",
	       set(device, no_vcpu.vm->fd, 0x44, 0x44, TO_USERSPACE), 0);
	machine_start(&no_vcpu, guest_unused);
	ksft_test_result(issue(&no_vcpu, &diagnoses[5]) == SIEIC &&
			 issue(&older, &diagnoses[5]) == RESUMES,
			 "only the code of the other VM goes to userspace\n");
	close(device);
	machine_destroy(&no_vcpu);
	machine_destroy(&older);
	module_detach();
}

/* Several processes */

static void send_fd(int sock, int fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = {
		.header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec byte = { "", 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	TEST_ASSERT(sendmsg(sock, &message, 0) == 1, "sendmsg: %s", strerror(errno));
}

static int receive_fd(int sock)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control;
	char c;
	struct iovec byte = { &c, 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	TEST_ASSERT(recvmsg(sock, &message, 0) == 1 && message.msg_controllen, "recvmsg: %s",
		    strerror(errno));
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* Starts a process that ends with this one, and a socket to it. */
static pid_t start(void (*run)(int sock), int *sock)
{
	int sockets[2];
	pid_t pid;

	TEST_ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), "%s", strerror(errno));
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sockets[0]);
		run(sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	*sock = sockets[0];
	return pid;
}

static void wait_for_byte(int sock)
{
	char c;

	TEST_ASSERT(read(sock, &c, 1) == 1, "the other process has ended");
}

static void tell(int sock, char c)
{
	TEST_ASSERT(write(sock, &c, 1) == 1, "the other process has ended");
}

/* Creates a VM, hands it over, and then runs it. */
static void run_owner(int sock)
{
	struct machine m = { .vm = vm_create(1) };

	send_fd(sock, m.vm->fd);
	wait_for_byte(sock);
	machine_start(&m, guest_unused);
	tell(sock, issue(&m, &diagnoses[5]));
	wait_for_byte(sock);
	tell(sock, issue(&m, &diagnoses[5]));
}

static void test_scm_rights(void)
{
	int sock, vm_fd, device, in_flight[2];
	char before, after;
	pid_t pid;

	TEST_ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, in_flight), "%s", strerror(errno));
	module_attach("claim=0x500");
	pid = start(run_owner, &sock);
	vm_fd = receive_fd(sock);
	device = open_device();
	expect("SET for the VM of another process",
	       set(device, vm_fd, 0x44, 0x44, TO_USERSPACE), 0);
	close(vm_fd);
	/* The only reference to the open file is now in a message. */
	send_fd(in_flight[0], device);
	close(device);
	tell(sock, 0);
	TEST_ASSERT(read(sock, &before, 1) == 1, "the owner of the VM has ended");
	ksft_test_result(before == SIEIC, "a file that is in flight keeps the setting\n");
	ksft_test_result(!unloads() && errno == EWOULDBLOCK,
			 "a file that is in flight keeps the module loaded\n");
	device = receive_fd(in_flight[1]);
	close(device);
	tell(sock, 0);
	TEST_ASSERT(read(sock, &after, 1) == 1, "the owner of the VM has ended");
	ksft_test_result(after == RESUMES, "closing the received descriptor ends the setting\n");
	waitpid(pid, NULL, 0);
	close(sock);
	close(in_flight[0]);
	close(in_flight[1]);
	module_detach();
}

/* Has inherited the device file. It does not close the file, but ends. */
static void run_heir(int sock)
{
	wait_for_byte(sock);
}

static void test_fork(void)
{
	struct machine m = { .vm = vm_create(1) };
	int sock, device;
	pid_t pid;

	module_attach("claim=0x500");
	device = open_device();
	set(device, m.vm->fd, 0x44, 0x44, TO_USERSPACE);
	pid = start(run_heir, &sock);
	close(device);
	machine_start(&m, guest_unused);
	ksft_test_result(issue(&m, &diagnoses[5]) == SIEIC,
			 "a process that has inherited the file keeps the setting\n");
	tell(sock, 0);
	waitpid(pid, NULL, 0);
	ksft_test_result(issue(&m, &diagnoses[5]) == RESUMES,
			 "the setting ends with the last process that has the file\n");
	close(sock);
	machine_destroy(&m);
	module_detach();
}

/* Many VMs with different settings, which run at the same time */

#define VMS		64
#define THREADS		4
#define ROUNDS		6

static struct many {
	struct machine m;
	int device;
	uint32_t action;
	struct tally tally;
	int wrong;
} many[VMS];

static void *run_some(void *arg)
{
	struct many *v;
	int round;

	/* A thread runs every fourth VM, and another VM each time. */
	for (round = 0; round < ROUNDS; round++)
		for (v = &many[(long)arg]; v < many + VMS; v += THREADS)
			v->wrong += issue_all(&v->m, "claim=0x500", v->action, &v->tally);
	return NULL;
}

/* Sets ranges for VMs that it creates and destroys, until it is stopped. */
static void *set_and_destroy(void *unused)
{
	int kvm = open_kvm_dev_path_or_exit(), vm_fd, device;
	long cycles = 0;

	for (; !READ_ONCE(running.stop); cycles++) {
		vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
		device = open_device();
		TEST_ASSERT(vm_fd >= 0 && !set(device, vm_fd, 0, 0x7fff, TO_USERSPACE) &&
			    !set(device, vm_fd, 0x8000, LAST_CODE, TO_KERNEL), "a VM or SET fails");
		/* The VM ends before the file, or after it. */
		close(cycles % 2 ? vm_fd : device);
		close(cycles % 2 ? device : vm_fd);
	}
	close(kvm);
	return (void *)cycles;
}

static void test_many(void)
{
	struct tally tally = {};
	pthread_t threads[THREADS], disturber;
	int c, wrong = 0;
	struct many *v;
	void *cycles;
	long i;

	module_attach("claim=0x500");
	for (v = many; v < many + VMS; v++) {
		v->action = (v - many) % 3;
		v->m.vm = vm_create(1);
		v->device = open_device();
		if (v->action)
			TEST_ASSERT(!set(v->device, v->m.vm->fd, 0, LAST_CODE, v->action), "SET");
		machine_start(&v->m, guest_unused);
	}
	WRITE_ONCE(running.stop, false);
	pthread_create(&disturber, NULL, set_and_destroy, NULL);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run_some, (void *)i);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	WRITE_ONCE(running.stop, true);
	pthread_join(disturber, &cycles);
	for (v = many; v < many + VMS; v++) {
		wrong += v->wrong;
		for (c = 0; c < ARRAY_SIZE(counters); c++)
			tally.of[c] += v->tally.of[c];
	}
	ksft_test_result(!wrong, "%d VMs: %d of %zd answers are wrong\n", VMS, wrong,
			 VMS * ROUNDS * ARRAY_SIZE(diagnoses));
	ksft_test_result(counted(&tally), "%d VMs: the counters are right\n", VMS);
	ksft_test_result(cycles, "at the same time, %ld VMs were set and destroyed\n",
			 (long)cycles);
	for (v = many; v < many + VMS; v++) {
		close(v->device);
		machine_destroy(&v->m);
	}
	module_detach();
}

/* A hostile caller */

#define HOSTILE_S	4
#define HOSTILE_VMS	8
#define HOSTILE_THREADS	2

static int hostile_vms[HOSTILE_VMS];
static int hostile_devices[HOSTILE_THREADS];

static uint64_t rng(uint64_t *state)
{
	/* xorshift64* */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL >> 16;
}

/* Fills a range at random. Most of its fields then have values that the ioctls accept. */
static void random_range(struct kvm_s390_diag_range *range, uint64_t *state)
{
	uint32_t *word = (void *)range;
	int i;

	for (i = 0; i < sizeof(*range) / sizeof(*word); i++)
		word[i] = rng(state) % 16 ? 0 : rng(state);
	if (rng(state) % 8)
		range->vm_fd = hostile_vms[rng(state) % HOSTILE_VMS];
	if (rng(state) % 4) {
		range->first = rng(state) % (LAST_CODE + 2);
		range->last = rng(state) % 2 ? range->first + rng(state) % 64 : 0;
		range->action = rng(state) % 4;
	}
}

/* Leaves its device open. */
static void *call_at_random(void *thread)
{
	static const unsigned long requests[] = {
		KVM_S390_DIAG_SET, KVM_S390_DIAG_SET, KVM_S390_DIAG_GET, KVM_S390_DIAG_API,
	};
	uint64_t state = 0x9e3779b9 + (uintptr_t)thread;
	uint64_t limit = now_ns() + HOSTILE_S * NSEC_PER_SEC;
	uint8_t *pages = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	struct kvm_s390_diag_range *range;
	int device = open_device();
	long calls;

	TEST_ASSERT(pages != MAP_FAILED && !munmap(pages + 4096, 4096), "%s", strerror(errno));
	for (calls = 0; calls % 64 || now_ns() < limit; calls++) {
		/* Sometimes a part of the range is in the page that is not mapped. */
		range = (void *)(pages + 4096 - sizeof(*range));
		random_range(range, &state);
		if (rng(&state) % 64 == 0)
			range = (void *)range + rng(&state) % 8192;
		ioctl(device, rng(&state) % 32 ? requests[rng(&state) % 4] : rng(&state), range);
		if (rng(&state) % 4096 == 0) {
			close(device);
			device = open_device();
		}
	}
	hostile_devices[(uintptr_t)thread] = device;
	munmap(pages, 4096);
	return (void *)calls;
}

/* Are the ranges of this VM in order, and each of them valid? */
static bool in_order(int device, int vm_fd)
{
	struct kvm_s390_diag_range range;
	uint32_t first = 0;

	while (first <= LAST_CODE && !get(device, vm_fd, first, &range)) {
		if (range.first < first || range.last < range.first || range.last > LAST_CODE ||
		    range.action < TO_USERSPACE || range.action > TO_KERNEL)
			return false;
		first = range.last + 1;
	}
	return true;
}

static void test_hostile(void)
{
	int i, device, kvm = open_kvm_dev_path_or_exit(), ordered = 0, empty = 0;
	struct machine m = { .vm = vm_create(1) };
	pthread_t threads[HOSTILE_THREADS];
	struct tally tally = {};
	long calls = 0;
	void *some;

	module_attach("claim=0x500");
	device = open_device();
	for (i = 0; i < HOSTILE_VMS; i++)
		hostile_vms[i] = ioctl(kvm, KVM_CREATE_VM, 0);
	set(device, m.vm->fd, 0, LAST_CODE, TO_USERSPACE);
	for (i = 0; i < HOSTILE_THREADS; i++)
		pthread_create(&threads[i], NULL, call_at_random, (void *)(uintptr_t)i);
	machine_start(&m, guest_unused);
	i = issue_all(&m, "claim=0x500", TO_USERSPACE, &tally);
	ksft_test_result(!i, "during random calls, %d answers are wrong\n", i);
	for (i = 0; i < HOSTILE_THREADS; i++) {
		pthread_join(threads[i], &some);
		calls += (long)some;
	}
	for (i = 0; i < HOSTILE_VMS; i++)
		ordered += in_order(device, hostile_vms[i]);
	for (i = 0; i < HOSTILE_THREADS; i++)
		close(hostile_devices[i]);
	for (i = 0; i < HOSTILE_VMS; i++) {
		empty += has_ranges(device, hostile_vms[i], "");
		close(hostile_vms[i]);
	}
	ksft_test_result(ordered == HOSTILE_VMS, "after %ld random calls, all ranges are valid\n",
			 calls);
	ksft_test_result(empty == HOSTILE_VMS, "no setting stays when the files are closed\n");
	i = issue_all(&m, "claim=0x500", TO_USERSPACE, &tally);
	ksft_test_result(!i && counted(&tally), "the VM still works, and the counters are right\n");
	close(device);
	close(kvm);
	machine_destroy(&m);
	module_detach();
}

/* The memory of a VM */

#define CGROUP		CGROUPS "/kvm-s390-diag-vms-%d"
#define CHARGED_VMS	100
#define CHARGED_RANGES	64
/* The least memory of a range: its codes, its action and two pointers. */
#define RANGE_BYTES	24

/* The kinds of kernel memory that the module uses. */
enum { PERCPU, SLAB, KINDS };

static const char * const kinds[] = { "percpu", "slab" };

/* A process with VMs, in a memory cgroup of its own. */
struct charged {
	int ranges;		/* of each VM */
	char cgroup[64];
	pid_t pid;
	int sock;
	uint64_t bytes[KINDS];
};

/* The one whose process starts. start() passes no argument. */
static struct charged *charging;

/* Reads what the cgroup is charged. Returns the sum. */
static uint64_t read_charges(struct charged *c)
{
	char path[sizeof(c->cgroup) + 16], name[64];
	uint64_t value, sum = 0;
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "%s/memory.stat", c->cgroup);
	f = fopen(path, "r");
	TEST_ASSERT(f, "%s: %s", path, strerror(errno));
	while (fscanf(f, "%63s %" SCNu64, name, &value) == 2) {
		for (i = 0; i < KINDS; i++) {
			if (strcmp(name, kinds[i]))
				continue;
			c->bytes[i] = value;
			sum += value;
		}
	}
	fclose(f);
	return sum;
}

static uint64_t read_all(struct charged *all, int number)
{
	uint64_t sum = 0;

	while (number--)
		sum += read_charges(all++);
	return sum;
}

static void run_in_cgroup(int sock)
{
	int i, n, vm_fd, kvm = open_kvm_dev_path_or_exit(), device = -1;
	const struct charged *c = charging;
	char path[sizeof(c->cgroup) + 16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", c->cgroup);
	write_to(path, "0");
	if (c->ranges)
		device = open_device();
	for (i = 0; i < CHARGED_VMS; i++) {
		vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
		for (n = 0; n < c->ranges; n++)
			TEST_ASSERT(!set(device, vm_fd, 2 * n, 2 * n, TO_USERSPACE), "SET");
		TEST_ASSERT(ioctl(vm_fd, KVM_CREATE_VCPU, 0) >= 0, "a vCPU: %s", strerror(errno));
	}
	tell(sock, 0);
	wait_for_byte(sock);
}

/*
 * Reads what the kernel charges for the VMs, again and again, until it stays the same. The kernel
 * brings memory.stat up to date every two seconds.
 */
static void measure(struct charged *all, int number)
{
	struct charged *c, end;
	uint64_t before, now;

	for (c = all; c < all + number; c++) {
		snprintf(c->cgroup, sizeof(c->cgroup), CGROUP, (int)(c - all));
		TEST_ASSERT(!mkdir(c->cgroup, 0755), "%s: %s", c->cgroup, strerror(errno));
		charging = c;
		c->pid = start(run_in_cgroup, &c->sock);
	}
	for (c = all; c < all + number; c++)
		wait_for_byte(c->sock);
	now = read_all(all, number);
	do {
		before = now;
		sleep(3);
		now = read_all(all, number);
	} while (!now || now != before);
	for (c = all; c < all + number; c++)
		tell(c->sock, 0);
	for (c = all; c < all + number; c++) {
		waitpid(c->pid, NULL, 0);
		close(c->sock);
		end = *c;
		now = c->bytes[PERCPU] + c->bytes[SLAB];
		TEST_ASSERT(WAIT(read_charges(&end) < now / 4), "memory of VMs is not freed");
		TEST_ASSERT(!rmdir(c->cgroup), "%s: %s", c->cgroup, strerror(errno));
	}
}

static void test_memory(void)
{
	const uint64_t counters_bytes = get_nprocs() * ARRAY_SIZE(counters) * sizeof(uint64_t);
	struct charged kvm = {}, module[2] = { {}, { .ranges = CHARGED_RANGES } };
	const struct charged *with_ranges = &module[1];

	cgroups_mount();
	measure(&kvm, 1);
	module_attach("claim=0x500");
	measure(module, 2);
	module_detach();
	ksft_print_msg("%d VMs: %" PRIu64 " + %" PRIu64 " bytes with KVM alone, %" PRIu64 " + %"
		       PRIu64 " with the module, %" PRIu64 " + %" PRIu64 " with %d ranges each\n",
		       CHARGED_VMS, kvm.bytes[PERCPU], kvm.bytes[SLAB], module->bytes[PERCPU],
		       module->bytes[SLAB], with_ranges->bytes[PERCPU], with_ranges->bytes[SLAB],
		       CHARGED_RANGES);
	ksft_test_result(module->bytes[PERCPU] >=
			 kvm.bytes[PERCPU] + CHARGED_VMS * counters_bytes,
			 "the counters of VMs are charged to the cgroup of their creator\n");
	ksft_test_result(with_ranges->bytes[SLAB] >=
			 module->bytes[SLAB] + CHARGED_VMS * CHARGED_RANGES * RANGE_BYTES,
			 "the ranges are charged to the cgroup of the process that sets them\n");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	/* Ends a test that hangs. */
	alarm(600);
	test_ioctls();
	test_answers("claim=0x500");
	test_answers("claim=0x501");
	test_answers("claim=all");
	test_only_these();
	test_two_files();
	test_close();
	test_close_to_kernel("claim=0x501");
	test_close_to_kernel("claim=all");
	test_destroyed();
	test_unload();
	test_older_vm();
	test_fork();
	test_scm_rights();
	test_many();
	test_hostile();
	test_memory();
	return ksft_end();
}
