// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of the device, and what they set: who answers a VM's DIAGNOSEs. */
#include "include_source.h"

#include "device.c"

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>

#include "shortcut.h"
#include "vm.h"

/* The cases run in kernel threads. They use a page of the process that loads the tests. */
static struct mm_struct *mm;
static struct kvm_s390_diag_range __user *user;

static int device_suite_init(struct kunit_suite *suite)
{
	unsigned long addr = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, 0);

	if (IS_ERR_VALUE(addr))
		return -ENOMEM;
	user = (void __user *)addr;
	mm = current->mm;
	mmget(mm);
	return 0;
}

static void device_suite_exit(struct kunit_suite *suite)
{
	mmput(mm);
}

static int release(struct inode *inode, struct file *file)
{
	return 0;
}

static const struct file_operations vm_fops = { .release = release };

static unsigned int left_to_kvm;

static int stub_handler(struct kvm_vcpu *vcpu)
{
	left_to_kvm++;
	return -EREMOTE;
}

static int device_init(struct kunit *test)
{
	int rc = test_start();

	kvm_vm_release = (unsigned long)release;
	diag_prepare(stub_handler);
	left_to_kvm = 0;
	/* The second intercept of a case finds what the first one has cached on this CPU. */
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	return rc;
}

static void device_exit(struct kunit *test)
{
	test_claim("all");
	test_stop();
}

static int vm_fd(struct kunit *test, struct test_vm *vm)
{
	int fd = anon_inode_getfd("kvm-vm", &vm_fops, vm->kvm, O_RDWR);

	KUNIT_ASSERT_GE(test, fd, 0);
	return fd;
}

static struct file *open_device(struct kunit *test)
{
	struct file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_EQ(test, device_open(NULL, file), 0);
	return file;
}

static void close_device(struct file *file)
{
	device_release(NULL, file);
}

/* Calls the ioctl with a copy of the range in userspace, and copies it back if it succeeds. */
static long call(struct file *file, unsigned int cmd, struct kvm_s390_diag_range *range)
{
	long rc;

	kthread_use_mm(mm);
	rc = copy_to_user(user, range, sizeof(*range)) ? -EPERM :
	     device_ioctl(file, cmd, (unsigned long)user);
	if (rc >= 0 && copy_from_user(range, user, sizeof(*range)))
		rc = -EPERM;
	kthread_unuse_mm(mm);
	return rc;
}

static long set_range(struct file *file, int fd, u32 first, u32 last, u32 action)
{
	struct kvm_s390_diag_range range = {
		.vm_fd = fd, .first = first, .last = last, .action = action,
	};

	return call(file, KVM_S390_DIAG_SET, &range);
}

static long get_range(struct file *file, int fd, u32 first, struct kvm_s390_diag_range *range)
{
	*range = (struct kvm_s390_diag_range){ .vm_fd = fd, .first = first };
	return call(file, KVM_S390_DIAG_GET, range);
}

#define TO_USERSPACE	KVM_S390_DIAG_TO_USERSPACE
#define TO_KERNEL	KVM_S390_DIAG_TO_KERNEL

enum to { SERVED, CLAIMED, REQUESTED, LEFT };

struct answer_case {
	const char *claim;
	u16 code;
	u32 action;
	enum to to, without;	/* with this setting, and without one */
};

static const struct answer_case answer_cases[] = {
	{ "all",	 0x500, TO_USERSPACE, REQUESTED, SERVED },
	{ "all",	 0x500, TO_KERNEL,    SERVED,	 SERVED },
	{ "all",	 0x44,	TO_USERSPACE, REQUESTED, CLAIMED },
	{ "all",	 0x44,	TO_KERNEL,    LEFT,	 CLAIMED },
	{ "0x500",	 0x500, TO_USERSPACE, REQUESTED, SERVED },
	{ "0x500",	 0x9c,	TO_USERSPACE, REQUESTED, LEFT },
	{ "0x500",	 0x9c,	TO_KERNEL,    LEFT,	 LEFT },
	{ "0x500",	 0xfff, TO_USERSPACE, REQUESTED, LEFT },
	{ "0x9c",	 0x500, TO_KERNEL,    SERVED,	 LEFT },
	{ "0x9c",	 0x500, TO_USERSPACE, REQUESTED, LEFT },
	{ "0x9c",	 0x9c,	TO_KERNEL,    LEFT,	 CLAIMED },
};

static void answer_desc(const struct answer_case *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "claim=%s, 0x%x %s", c->claim, c->code,
		 c->action == TO_KERNEL ? "to the kernel" : "to userspace");
}

KUNIT_ARRAY_PARAM(answer, answer_cases, answer_desc);

static void expect_answer(struct kunit *test, struct test_vm *vm, enum to to)
{
	static const int rcs[] = { 0, -EOPNOTSUPP, -EOPNOTSUPP, -EREMOTE };
	u64 claimed = test_counted(DIAG_OTHER_CODE), requested = test_counted(DIAG_REQUESTED);
	unsigned int left = left_to_kvm;

	test_set_gprs(vm, 3, SCHID_A, 0, 0);
	KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), rcs[to]);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), to == SERVED);
	KUNIT_EXPECT_EQ(test, left_to_kvm - left, to == LEFT);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE) - claimed, to == CLAIMED);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_REQUESTED) - requested, to == REQUESTED);
	if (to != SERVED)
		KUNIT_EXPECT_EQ(test, vm->vcpu->run->s.regs.gprs[2], SCHID_A);
}

/* Each code is issued twice, because the second intercept may find the VM cached. */
static void set_code_is_answered(struct kunit *test)
{
	const struct answer_case *c = test->param_value;
	struct test_vm *vm = test_vm_create(test), *other = test_vm_create(test);
	struct file *file = open_device(test);
	int fd = vm_fd(test, vm), i;

	test_claim(c->claim);
	diag_prepare(stub_handler);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	KUNIT_ASSERT_EQ(test, test_assign(other, SCHID_A, 8, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, set_range(file, fd, c->code, c->code, c->action), 0);
	test_see(vm);
	test_see(other);
	test_set_insn(vm, 0, c->code);
	test_set_insn(other, 0, c->code);
	for (i = 0; i < 2; i++)
		expect_answer(test, vm, c->to);
	/* The setting is for one VM only. */
	for (i = 0; i < 2; i++)
		expect_answer(test, other, c->without);
	expect_answer(test, vm, c->to);
	/* The guest may rely on the kernel's answers. */
	close_device(file);
	for (i = 0; i < 2; i++)
		expect_answer(test, vm, c->action == TO_KERNEL ? c->to : c->without);
	close_fd(fd);
}

/* A VM that has settings and is cached: each other code takes the slow path. */
static void other_codes_of_a_cached_vm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	struct file *file = open_device(test);
	int fd = vm_fd(test, vm);

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, set_range(file, fd, 0x44, 0x44, TO_KERNEL), 0);
	test_see(vm);
	expect_answer(test, vm, SERVED);
	KUNIT_EXPECT_TRUE(test, test_cached(vm->kvm));
	test_set_insn(vm, 0, 0x44);
	expect_answer(test, vm, LEFT);
	test_set_insn(vm, 0, 0x45);
	expect_answer(test, vm, CLAIMED);
	KUNIT_EXPECT_TRUE(test, test_cached(vm->kvm));
	/* 0x44 in a base register */
	test_set_insn(vm, 2, 0);
	test_set_gprs(vm, 3, 0x44, 0, 0);
	KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), -EREMOTE);
	close_device(file);
	close_fd(fd);
}

static void statistics_of_a_requested_code(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	struct file *file = open_device(test);
	int fd = vm_fd(test, vm);

	KUNIT_EXPECT_EQ(test, set_range(file, fd, 0, 0xffff, TO_USERSPACE), 0);
	test_see(vm);
	expect_answer(test, vm, REQUESTED);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_500, 1);
	test_set_insn(vm, 0, 0x9c);
	expect_answer(test, vm, REQUESTED);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_9c, 1);
	close_device(file);
	close_fd(fd);
}

static void ranges_do_not_overlap(struct kunit *test)
{
	static const u32 overlaps[][2] = {
		{ 0x100, 0x200 }, { 0x100, 0x100 }, { 0x200, 0x200 }, { 0x0, 0x100 },
		{ 0x200, 0xffff }, { 0x150, 0x160 }, { 0x0, 0xffff }, { 0x300, 0x300 },
	};
	struct test_vm *vm = test_vm_create(test), *other = test_vm_create(test);
	struct file *file = open_device(test), *second = open_device(test);
	int fd = vm_fd(test, vm), other_fd = vm_fd(test, other), i;
	struct kvm_s390_diag_range range;

	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0, &range), -ENOENT);
	KUNIT_EXPECT_EQ(test, set_range(file, fd, 0x300, 0x300, TO_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, set_range(file, fd, 0x100, 0x200, TO_USERSPACE), 0);
	for (i = 0; i < ARRAY_SIZE(overlaps); i++)
		KUNIT_EXPECT_EQ(test, set_range(i & 1 ? second : file, fd, overlaps[i][0],
						overlaps[i][1], TO_KERNEL), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_range(file, other_fd, 0x100, 0x200, TO_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, set_range(second, fd, 0x201, 0x2ff, TO_KERNEL), 0);

	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0, &range), 0);
	KUNIT_EXPECT_EQ(test, range.first, 0x100);
	KUNIT_EXPECT_EQ(test, range.last, 0x200);
	KUNIT_EXPECT_EQ(test, range.action, TO_USERSPACE);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0x200, &range), 0);
	KUNIT_EXPECT_EQ(test, range.first, 0x100);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0x201, &range), 0);
	KUNIT_EXPECT_EQ(test, range.first, 0x201);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0x300, &range), 0);
	KUNIT_EXPECT_EQ(test, range.first, 0x300);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0x301, &range), -ENOENT);

	/* Each file ends its own ranges. */
	close_device(file);
	KUNIT_EXPECT_EQ(test, get_range(second, fd, 0, &range), 0);
	KUNIT_EXPECT_EQ(test, range.first, 0x201);
	KUNIT_EXPECT_EQ(test, get_range(second, other_fd, 0, &range), -ENOENT);
	KUNIT_EXPECT_EQ(test, set_range(second, fd, 0x100, 0x200, TO_KERNEL), 0);
	close_device(second);
	close_fd(fd);
	close_fd(other_fd);
}

static void number_of_ranges_is_limited(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test), *other = test_vm_create(test);
	struct file *file = open_device(test), *second = open_device(test);
	int fd = vm_fd(test, vm), other_fd = vm_fd(test, other);
	u32 code;

	for (code = 0; code < 256; code++)
		KUNIT_ASSERT_EQ(test, set_range(file, fd, code, code, TO_USERSPACE), 0);
	KUNIT_EXPECT_EQ(test, set_range(second, fd, 256, 256, TO_USERSPACE), -ENOSPC);
	KUNIT_EXPECT_EQ(test, set_range(file, fd, 255, 255, TO_USERSPACE), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_range(file, other_fd, 256, 256, TO_USERSPACE), 0);
	close_device(file);
	KUNIT_EXPECT_EQ(test, set_range(second, fd, 256, 256, TO_USERSPACE), 0);
	close_device(second);
	close_fd(fd);
	close_fd(other_fd);
}

static int issue_until_stopped(void *data)
{
	struct test_vm *vm = data;
	int served = 0, rc;

	while (!kthread_should_stop()) {
		test_set_gprs(vm, 3, SCHID_A, 0, 0);
		rc = test_call(vm, diag_intercept);
		if (rc && rc != -EOPNOTSUPP)
			return rc;
		served += !rc;
		cond_resched();
	}
	return served;
}

static void wait_for_more(struct kunit *test, enum diag_outcome outcome, u64 than)
{
	unsigned long end = jiffies + 30 * HZ;

	while (test_counted(outcome) <= than && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_GT(test, test_counted(outcome), than);
}

/* Notifications are set to userspace. The file is closed while a vCPU issues them. */
static void file_is_closed_while_a_vcpu_runs(struct kunit *test)
{
	int i;

	set_cpus_allowed_ptr(current, cpu_possible_mask);
	for (i = 0; i < 5; i++) {
		u64 requested = test_counted(DIAG_REQUESTED), all = test_counted_all();
		u64 before = test_counted(DIAG_SERVED_COOKIE);
		struct test_vm *vm = test_vm_create(test);
		struct file *file = open_device(test);
		int fd = vm_fd(test, vm), served;
		struct task_struct *task;

		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
		KUNIT_EXPECT_EQ(test, set_range(file, fd, 0x500, 0x500, TO_USERSPACE), 0);
		task = kthread_run(issue_until_stopped, vm, "diag-vcpu");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		wait_for_more(test, DIAG_REQUESTED, requested);
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), before);
		close_device(file);
		wait_for_more(test, DIAG_SERVED_COOKIE, before);
		served = kthread_stop(task);
		KUNIT_EXPECT_GT(test, served, 0);
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE) - before, served);
		KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), served);
		KUNIT_EXPECT_EQ(test, test_counted_all() - all,
				served + test_counted(DIAG_REQUESTED) - requested);
		close_fd(fd);
	}
}

static void bad_arguments_are_refused(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	struct file *file = open_device(test);
	int fd = vm_fd(test, vm), i;
	struct kvm_s390_diag_range good = {
		.vm_fd = fd, .first = 1, .last = 2, .action = TO_KERNEL,
	};
	struct kvm_s390_diag_range bad[10], range;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].flags = 1;
	bad[1].flags = 1U << 31;
	bad[2].pad[0] = 1;
	bad[3].pad[1] = 1 << 24;
	bad[4].pad[2] = 1;
	bad[5].action = 0;
	bad[6].action = TO_KERNEL + 1;
	bad[7].last = 0;
	bad[8].last = 0x10000;
	bad[9].vm_fd = vm->fd;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, call(file, KVM_S390_DIAG_SET, &bad[i]), -EINVAL, "%d", i);
	KUNIT_EXPECT_EQ(test, set_range(file, -1, 1, 2, TO_KERNEL), -EBADF);
	KUNIT_EXPECT_EQ(test, get_range(file, -1, 0, &range), -EBADF);
	KUNIT_EXPECT_EQ(test, get_range(file, vm->fd, 0, &range), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0x10000, &range), -ENOENT);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0x10001, &range), -EINVAL);
	KUNIT_EXPECT_EQ(test, call(file, KVM_S390_DIAG_GET, &bad[0]), -EINVAL);
	KUNIT_EXPECT_EQ(test, call(file, KVM_S390_DIAG_GET, &bad[4]), -EINVAL);
	KUNIT_EXPECT_EQ(test, device_ioctl(file, KVM_S390_DIAG_SET, 0), -EFAULT);
	KUNIT_EXPECT_EQ(test, device_ioctl(file, KVM_S390_DIAG_API, 0), 1);
	KUNIT_EXPECT_EQ(test, device_ioctl(file, KVM_S390_DIAG_API, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, device_ioctl(file, 0xae00, 0), -ENOTTY);
	/* Nothing was set. */
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0, &range), -ENOENT);
	vm->kvm->created_vcpus = 1;
	KUNIT_EXPECT_EQ(test, call(file, KVM_S390_DIAG_SET, &good), -EBUSY);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0, &range), -ENOENT);
	close_device(file);
	close_fd(fd);
}

/* A VM is destroyed while the file is open. A later VM at the same address has no settings. */
static void settings_end_with_the_vm(struct kunit *test)
{
	const unsigned long limit = jiffies + 30 * HZ;
	struct test_vm *vm = test_vm_create(test);
	struct file *file = open_device(test);
	int fd = vm_fd(test, vm);
	struct kvm_s390_diag_range range;

	KUNIT_EXPECT_EQ(test, set_range(file, fd, 0x44, 0x44, TO_KERNEL), 0);
	KUNIT_EXPECT_TRUE(test, settings_exist());
	test_vm_dies(vm);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0, &range), -ENOENT);
	KUNIT_EXPECT_EQ(test, set_range(file, fd, 0x44, 0x45, TO_USERSPACE), 0);
	test_see(vm);
	test_set_insn(vm, 0, 0x45);
	expect_answer(test, vm, REQUESTED);
	/* Closing the file must not touch the settings of the first entry, which are freed. */
	while (atomic_read(&settings_vms) > 1 && time_before(jiffies, limit))
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_read(&settings_vms), 1);
	close_device(file);
	close_fd(fd);
	/* The work items of the first entry have ended when the counters have stopped. */
	test_stop();
	KUNIT_EXPECT_FALSE(test, settings_exist());
	test_claim("0x500");
	diag_prepare(stub_handler);
	KUNIT_EXPECT_TRUE(test, shortcut_is_open());
	KUNIT_EXPECT_EQ(test, test_start(), 0);
}

/* Each allocation fails once. Then nothing is set, and the next attempt succeeds. */
static void nothing_is_set_without_memory(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	struct file *file = open_device(test);
	int fd = vm_fd(test, vm), nth, failed = 0;
	struct kvm_s390_diag_range range;
	long rc = -ENOMEM;

	for (nth = 1; nth < 100; nth++) {
		current->fail_nth = nth;
		rc = set_range(file, fd, 0, 5, TO_KERNEL);
		current->fail_nth = 0;
		if (!rc)
			break;
		failed++;
		KUNIT_EXPECT_EQ(test, rc, -ENOMEM);
		KUNIT_EXPECT_EQ(test, settings_find(vms_settings(vm->kvm), &range), -ENOENT);
		/* All is allocated anew. */
		test_vm_dies(vm);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	/* The entry, its tally, the settings, two bitmaps and the range. */
	KUNIT_EXPECT_GE(test, failed, 6);
	KUNIT_EXPECT_EQ(test, get_range(file, fd, 0, &range), 0);
	close_device(file);
	close_fd(fd);
}

/* Random bytes, of which some are made valid. Afterwards, no setting is left. */
static void random_bytes(struct kunit *test)
{
	static const unsigned int cmds[] = {
		KVM_S390_DIAG_API, KVM_S390_DIAG_SET, KVM_S390_DIAG_GET,
	};
	struct test_vm *vms[4];
	struct file *files[2] = { open_device(test), open_device(test) };
	struct kvm_s390_diag_range range;
	struct rnd_state rnd;
	int fds[ARRAY_SIZE(vms)], i, set = 0, ended = 0;

	for (i = 0; i < ARRAY_SIZE(vms); i++) {
		vms[i] = test_vm_create(test);
		fds[i] = vm_fd(test, vms[i]);
	}
	prandom_seed_state(&rnd, TEST_SEED + 1);
	for (i = 0; i < TEST_IOCTLS; i++) {
		u32 random = prandom_u32_state(&rnd);
		unsigned int cmd = random & 1 ? cmds[(random >> 1) % ARRAY_SIZE(cmds)] : random;
		struct file **file = &files[random >> 8 & 1];
		unsigned int n = random >> 9 & 3;

		prandom_bytes_state(&rnd, &range, sizeof(range));
		if (random & 1 << 12) {
			range.flags = 0;
			memset(range.pad, 0, sizeof(range.pad));
		}
		if (random & 1 << 13)
			range.vm_fd = fds[n];
		if (random & 1 << 14) {
			range.first &= 0xffff;
			range.last = range.first + (range.last & 7);
			range.action &= 3;
		}
		set += !call(*file, cmd, &range) && cmd == KVM_S390_DIAG_SET;
		if (!(random >> 20)) {
			ended++;
			test_vm_dies(vms[n]);
			close_device(*file);
			device_open(NULL, *file);
		}
	}
	KUNIT_EXPECT_GT(test, set, 0);
	KUNIT_EXPECT_GT(test, ended, 0);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		close_device(files[i]);
	files[0] = open_device(test);
	for (i = 0; i < ARRAY_SIZE(vms); i++) {
		KUNIT_EXPECT_EQ(test, set_range(files[0], fds[i], 0, 0xffff, TO_KERNEL), 0);
		close_fd(fds[i]);
	}
	close_device(files[0]);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE_PARAM(set_code_is_answered, answer_gen_params),
	KUNIT_CASE(other_codes_of_a_cached_vm),
	KUNIT_CASE(statistics_of_a_requested_code),
	KUNIT_CASE(ranges_do_not_overlap),
	KUNIT_CASE(number_of_ranges_is_limited),
	KUNIT_CASE(file_is_closed_while_a_vcpu_runs),
	KUNIT_CASE(bad_arguments_are_refused),
	KUNIT_CASE(settings_end_with_the_vm),
	KUNIT_CASE(nothing_is_set_without_memory),
	KUNIT_CASE(random_bytes),
	{}
};

static struct kunit_suite device_suite = {
	.name = "diag-device",
	.suite_init = device_suite_init,
	.suite_exit = device_suite_exit,
	.init = device_init,
	.exit = device_exit,
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
