// SPDX-License-Identifier: GPL-2.0-only
/* Tests the files of the counters, in total and for each VM. */
#include <linux/cpumask.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/uio.h>

#include "vm.h"

#define FOLDER	"/sys/kernel/debug/kvm/kvm-s390-diag/"

/* The directory that KVM creates on a machine with SIE. */
static struct dentry *kvm_dir;

static struct file *open_file(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), FOLDER "%s", name);
	return filp_open(path, O_RDONLY, 0);
}

static bool file_exists(const char *name)
{
	struct file *file = open_file(name);

	if (IS_ERR(file))
		return false;
	filp_close(file, NULL);
	return true;
}

/* A walk through the module's folder, which counts the files. */
struct walk {
	struct dir_context ctx;
	unsigned int found;
};

static bool count_file(struct dir_context *ctx, const char *name, int len, loff_t offset,
		       u64 ino, unsigned int type)
{
	container_of(ctx, struct walk, ctx)->found += type == DT_REG;
	return true;
}

/* Returns the number of files in the module's folder. */
static unsigned int files(struct kunit *test)
{
	struct walk walk = { .ctx.actor = count_file };
	struct file *folder = filp_open(FOLDER, O_RDONLY | O_DIRECTORY, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(folder));
	KUNIT_EXPECT_EQ(test, iterate_dir(folder, &walk.ctx), 0);
	filp_close(folder, NULL);
	return walk.found;
}

/* Waits until the file exists, or is gone: work items create and remove files. */
static bool file_becomes(const char *name, bool there)
{
	unsigned long limit = jiffies + 30 * HZ;

	while (file_exists(name) != there) {
		if (time_after(jiffies, limit))
			return false;
		msleep(20);
	}
	return true;
}

static char *file_text(struct kunit *test, const char *name)
{
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct kvec vec = { .iov_base = text, .iov_len = PAGE_SIZE - 1 };
	struct file *file = open_file(name);
	struct iov_iter iter;
	struct kiocb kiocb;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "%s", name);
	/* kernel_read() refuses a file that only userspace can read. */
	init_sync_kiocb(&kiocb, file);
	iov_iter_kvec(&iter, READ, &vec, 1, vec.iov_len);
	KUNIT_EXPECT_GT(test, seq_read_iter(&kiocb, &iter), (ssize_t)0);
	filp_close(file, NULL);
	return text;
}

/* Returns the sum of all counters in a file. */
static u64 file_sum(struct kunit *test, const char *name)
{
	char *text = file_text(test, name), *line;
	u64 sum = 0, value;

	while ((line = strsep(&text, "\n")))
		if (sscanf(line, "%*s %llu", &value) == 1)
			sum += value;
	return sum;
}

/* Creates the VM's directory in debugfs, whose name is the name of the VM. */
static void give_name(struct kunit *test, struct test_vm *vm, const char *name)
{
	vm->kvm->debugfs_dentry = debugfs_create_dir(name, kvm_dir);
	KUNIT_ASSERT_FALSE(test, IS_ERR(vm->kvm->debugfs_dentry));
}

static struct test_vm *vm_with_file(struct kunit *test, const char *name)
{
	struct test_vm *vm = test_vm_create(test);

	give_name(test, vm, name);
	test_see(vm);
	KUNIT_EXPECT_TRUE(test, file_becomes(name, true));
	return vm;
}

static void destroy(struct test_vm *vm)
{
	debugfs_remove(vm->kvm->debugfs_dentry);
	test_vm_dies(vm);
}

static void each_outcome_has_its_line(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7");
	enum diag_outcome outcome;
	static const char expected[] =
		"served_cookie 1\n"
		"served_search 2\n"
		"bus_gone 3\n"
		"forwarded_no_device 4\n"
		"forwarded_no_css 5\n"
		"forwarded_other_subcode 6\n"
		"forwarded_other_code 7\n"
		"forwarded_requested 8\n"
		"privileged 9\n";
	int i;

	for (outcome = 0; outcome < DIAG_COUNTERS; outcome++)
		for (i = 0; i <= outcome; i++)
			test_count(vm->kvm, outcome);
	KUNIT_EXPECT_STREQ(test, file_text(test, "total"), expected);
	KUNIT_EXPECT_STREQ(test, file_text(test, "100-7"), expected);
}

static void each_range_has_its_line(struct kunit *test)
{
	const struct kvm_s390_diag_range ranges[] = {
		{ .first = 0x501, .last = 0xffff, .action = KVM_S390_DIAG_TO_USERSPACE },
		{ .first = 0x500, .last = 0x500, .action = KVM_S390_DIAG_TO_KERNEL },
	};
	struct test_vm *vm = vm_with_file(test, "100-7");
	struct settings *settings = vms_create_settings(vm->kvm);
	struct settings_file *file = settings_open();
	char expected[100], *lines;
	int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(settings));
	KUNIT_ASSERT_NOT_NULL(test, file);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		KUNIT_EXPECT_EQ(test, settings_set(settings, file, &ranges[i]), 0);
	snprintf(expected, sizeof(expected),
		 "set 0x501-0xffff to_userspace %d\nset 0x500-0x500 to_kernel %d\n",
		 task_tgid_nr(current), task_tgid_nr(current));
	lines = strstr(file_text(test, "100-7"), "set ");
	KUNIT_EXPECT_STREQ(test, lines ?: "", expected);
	settings_close(file);
	KUNIT_EXPECT_NULL(test, strstr(file_text(test, "100-7"), "set "));

	/* A range that stays set is not that of a process any more. */
	file = settings_open();
	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_EXPECT_EQ(test, settings_set(settings, file, &ranges[1]), 0);
	settings_vm_has_vcpu(settings);
	settings_close(file);
	lines = strstr(file_text(test, "100-7"), "set ");
	KUNIT_EXPECT_STREQ(test, lines ?: "", "set 0x500-0x500 to_kernel 0\n");
}

static void each_vm_has_its_own(struct kunit *test)
{
	struct test_vm *a = vm_with_file(test, "100-7"), *b = vm_with_file(test, "100-8");
	int i;

	for (i = 0; i < 30; i++)
		test_count(i % 3 ? b->kvm : a->kvm, DIAG_SERVED_COOKIE);
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 10);
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-8"), 20);
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 30);
	KUNIT_EXPECT_TRUE(test, vms_seen(a->kvm));
	KUNIT_EXPECT_TRUE(test, test_cached(b->kvm));
}

static void file_goes_with_the_vm(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7"), *other = vm_with_file(test, "100-8");

	test_count(vm->kvm, DIAG_NO_DEVICE);
	test_count(other->kvm, DIAG_NO_DEVICE);
	destroy(vm);
	KUNIT_EXPECT_TRUE(test, file_becomes("100-7", false));
	KUNIT_EXPECT_TRUE(test, file_exists("100-8"));
	/* The total keeps the counts of the destroyed VM. */
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 2);
}

/* A new VM gets the address of a destroyed VM that every CPU had cached. */
static void address_used_again(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7");
	int cpu, cpus = num_online_cpus();

	for_each_online_cpu(cpu) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		test_count(vm->kvm, DIAG_SERVED_COOKIE);
		KUNIT_EXPECT_TRUE(test, test_cached(vm->kvm));
	}
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), cpus);
	destroy(vm);
	for_each_online_cpu(cpu) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		KUNIT_EXPECT_FALSE(test, test_cached(vm->kvm));
		KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	}

	give_name(test, vm, "100-9");
	test_see(vm);
	for_each_online_cpu(cpu) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		test_count(vm->kvm, DIAG_SERVED_COOKIE);
		test_count(vm->kvm, DIAG_SERVED_COOKIE);
	}
	KUNIT_EXPECT_TRUE(test, file_becomes("100-9", true));
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-9"), 2 * cpus);
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 3 * cpus);
	KUNIT_EXPECT_FALSE(test, file_exists("100-7"));
}

/* Each of many VMs has counters of its own, all at the same time. */
static void many_vms(struct kunit *test)
{
	const unsigned int vms = TEST_VMS;
	struct test_vm vm;
	unsigned int i;
	void *room;

	/* These VMs need only an address in zeroed memory, so they overlap. */
	room = kvzalloc(sizeof(*vm.kvm) + vms * 64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, room);
	for (i = 0; i < vms; i++) {
		vm.kvm = room + i * 64;
		test_see(&vm);
	}
	/* Another VM has entries of other VMs in its bucket, and none of its own. */
	KUNIT_EXPECT_FALSE(test, vms_seen(room + 32));
	for (i = 0; i < vms; i++) {
		vm.kvm = room + i * 64;
		KUNIT_EXPECT_TRUE(test, vms_seen(vm.kvm));
		test_count(vm.kvm, DIAG_SERVED_COOKIE);
		KUNIT_EXPECT_TRUE(test, test_cached(vm.kvm));
	}
	for_each_possible_cpu(i)
		KUNIT_EXPECT_EQ(test, per_cpu_ptr(diag_unattributed, i)->of[DIAG_SERVED_COOKIE], 0);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), vms);
	for (i = 0; i < vms; i++) {
		vm.kvm = room + i * 64;
		test_vm_dies(&vm);
		KUNIT_EXPECT_FALSE(test, vms_seen(vm.kvm));
	}
	kvfree(room);
}

static void older_vm_gets_its_file_with_the_first_intercept(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	give_name(test, vm, "100-7");
	KUNIT_EXPECT_FALSE(test, file_exists("100-7"));
	test_count(vm->kvm, DIAG_PRIVILEGED);
	KUNIT_EXPECT_TRUE(test, file_becomes("100-7", true));
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 1);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_FALSE(test, test_cached(vm->kvm));
}

/* KVM leaves an error pointer if it cannot create the VM's directory. */
static void vm_without_name_is_counted(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	vm->kvm->debugfs_dentry = ERR_PTR(-ENOENT);
	test_see(vm);
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 2);
	/* When this file exists, the work items for that VM have run. */
	vm_with_file(test, "100-7");
	KUNIT_EXPECT_EQ(test, files(test), 2);
	test_vm_dies(vm);
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 2);
}

static void name_used_again_at_once(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7"), *next = test_vm_create(test);
	int i;

	for (i = 0; i < 100; i++) {
		test_count(vm->kvm, DIAG_SERVED_COOKIE);
		destroy(vm);
		give_name(test, next, "100-7");
		test_see(next);
		swap(vm, next);
	}
	/* Work items run in order: when this file exists, those queued before have run. */
	vm_with_file(test, "100-8");
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 0);
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 1);
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 101);
}

/* KVM frees the name of a VM some time before it destroys the VM. */
static void name_used_again_too_early(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7"), *next = test_vm_create(test);

	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	debugfs_remove(vm->kvm->debugfs_dentry);
	give_name(test, next, "100-7");
	test_see(next);
	test_count(next->kvm, DIAG_NO_CSS);
	test_count(next->kvm, DIAG_NO_CSS);
	vm_with_file(test, "100-8");
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 1);
	test_vm_dies(vm);
	vm_with_file(test, "100-9");
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 2);
	destroy(next);
	KUNIT_EXPECT_TRUE(test, file_becomes("100-7", false));
}

/* Creates a VM with the name of another, which is not destroyed yet. */
static struct test_vm *vm_that_waits(struct kunit *test, struct test_vm *other, const char *name)
{
	struct test_vm *vm = test_vm_create(test);

	debugfs_remove(other->kvm->debugfs_dentry);
	give_name(test, vm, name);
	test_see(vm);
	return vm;
}

static void name_used_again_by_several(struct kunit *test)
{
	struct test_vm *a = vm_with_file(test, "100-7"), *b = vm_with_file(test, "100-8");
	struct test_vm *second_a = vm_that_waits(test, a, "100-7");
	struct test_vm *third_a = vm_that_waits(test, second_a, "100-7");
	struct test_vm *second_b = vm_that_waits(test, b, "100-8");

	test_count(third_a->kvm, DIAG_NO_CSS);
	test_count(second_b->kvm, DIAG_NO_CSS);
	test_count(second_b->kvm, DIAG_NO_CSS);
	/* Each name goes to a VM that waits for this name. */
	test_vm_dies(b);
	vm_with_file(test, "100-9");
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-8"), 2);
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 0);
	/*
	 * second_a is destroyed while it still waits, so this frees no name. third_a gets its
	 * file when a is destroyed.
	 */
	test_vm_dies(second_a);
	test_vm_dies(a);
	vm_with_file(test, "100-10");
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 1);
}

static void open_file_reads_nothing_of_a_vm_that_is_gone(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7");
	struct file *file = open_file("100-7");
	loff_t pos = 0;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	destroy(vm);
	KUNIT_EXPECT_TRUE(test, file_becomes("100-7", false));
	/* The read fails before it uses its buffer. */
	KUNIT_EXPECT_EQ(test, file->f_op->read(file, NULL, PAGE_SIZE, &pos), (ssize_t)-EIO);
	filp_close(file, NULL);
}

/* Creates a VM named 100-@nth, and calls a function whose nth allocation fails. */
static struct test_vm *vm_short_of_memory(struct kunit *test, char *name, size_t size, int nth,
					  void (*allocates)(struct test_vm *vm))
{
	struct test_vm *vm = test_vm_create(test);

	snprintf(name, size, "100-%d", nth);
	give_name(test, vm, name);
	current->fail_nth = nth;
	allocates(vm);
	KUNIT_EXPECT_EQ(test, current->fail_nth, 0);
	current->fail_nth = 0;
	return vm;
}

static void serve(struct test_vm *vm)
{
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
}

/*
 * If one of the two allocations fails, the intercept counts only in the total. The next
 * intercept tries again.
 */
static void counted_without_memory(struct kunit *test)
{
	struct test_vm *vm;
	char name[8];
	int nth;

	for (nth = 1; nth <= 2; nth++) {
		vm = vm_short_of_memory(test, name, sizeof(name), nth, serve);
		KUNIT_EXPECT_EQ(test, file_sum(test, "total"), nth * 2 - 1);
		KUNIT_EXPECT_FALSE(test, file_exists(name));

		serve(vm);
		KUNIT_EXPECT_EQ(test, file_sum(test, "total"), nth * 2);
		KUNIT_EXPECT_TRUE(test, file_becomes(name, true));
		KUNIT_EXPECT_EQ(test, file_sum(test, name), 1);
	}
}

/*
 * If one of the two allocations fails, the VM counts as older than the module, which is always
 * safe.
 */
static void unseen_without_memory(struct kunit *test)
{
	struct test_vm *vm;
	char name[8];
	int nth;

	for (nth = 1; nth <= 2; nth++) {
		vm = vm_short_of_memory(test, name, sizeof(name), nth, test_see);
		KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
		serve(vm);
		KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
		KUNIT_EXPECT_TRUE(test, file_becomes(name, true));
	}
}

static void files_go_with_the_module(struct kunit *test)
{
	struct test_vm *vm = vm_with_file(test, "100-7");

	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	test_stop();
	KUNIT_EXPECT_FALSE(test, file_exists("100-7"));
	KUNIT_EXPECT_FALSE(test, file_exists("total"));
	KUNIT_EXPECT_EQ(test, PTR_ERR(filp_open(FOLDER, O_RDONLY, 0)), -ENOENT);

	KUNIT_ASSERT_EQ(test, test_start(), 0);
	KUNIT_EXPECT_EQ(test, file_sum(test, "total"), 0);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
}

static void no_folder_of_kvm_no_files(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	test_stop();
	debugfs_remove(kvm_dir);
	KUNIT_ASSERT_EQ(test, test_start(), 0);
	kvm_dir = debugfs_create_dir("kvm", NULL);
	give_name(test, vm, "100-7");
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 1);
	test_vm_dies(vm);
	test_stop();
	KUNIT_EXPECT_EQ(test, PTR_ERR(filp_open(FOLDER, O_RDONLY, 0)), -ENOENT);
	KUNIT_ASSERT_EQ(test, test_start(), 0);
}

/* A load that fails frees the module, even while somebody has one of its files open. */
static void no_file_before_the_module_is_loaded(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	test_stop();
	give_name(test, vm, "100-7");
	KUNIT_ASSERT_EQ(test, counters_start(), 0);
	KUNIT_ASSERT_EQ(test, test_start_vms(), 0);
	test_see(vm);
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	msleep(100);
	KUNIT_EXPECT_FALSE(test, file_exists("."));
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), 1);
	/* The load fails. */
	test_stop();
	KUNIT_EXPECT_FALSE(test, file_exists("."));

	KUNIT_ASSERT_EQ(test, counters_start(), 0);
	KUNIT_ASSERT_EQ(test, test_start_vms(), 0);
	test_see(vm);
	test_count(vm->kvm, DIAG_SERVED_COOKIE);
	/* The load succeeds. */
	counters_show();
	KUNIT_EXPECT_TRUE(test, file_becomes("100-7", true));
	KUNIT_EXPECT_EQ(test, file_sum(test, "100-7"), 1);
}

static struct kunit_case counters_cases[] = {
	KUNIT_CASE(each_outcome_has_its_line),
	KUNIT_CASE(each_range_has_its_line),
	KUNIT_CASE(each_vm_has_its_own),
	KUNIT_CASE(file_goes_with_the_vm),
	KUNIT_CASE(address_used_again),
	KUNIT_CASE(many_vms),
	KUNIT_CASE(older_vm_gets_its_file_with_the_first_intercept),
	KUNIT_CASE(vm_without_name_is_counted),
	KUNIT_CASE(name_used_again_at_once),
	KUNIT_CASE(name_used_again_too_early),
	KUNIT_CASE(name_used_again_by_several),
	KUNIT_CASE(open_file_reads_nothing_of_a_vm_that_is_gone),
	KUNIT_CASE(counted_without_memory),
	KUNIT_CASE(unseen_without_memory),
	KUNIT_CASE(files_go_with_the_module),
	KUNIT_CASE(no_folder_of_kvm_no_files),
	KUNIT_CASE(no_file_before_the_module_is_loaded),
	{}
};

static int counters_init(struct kunit *test)
{
	/* Stay on one CPU: each CPU has its own cache. */
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	kvm_dir = debugfs_create_dir("kvm", NULL);
	if (IS_ERR(kvm_dir))
		return PTR_ERR(kvm_dir);
	return test_start();
}

static void counters_exit(struct kunit *test)
{
	test_stop();
	debugfs_remove(kvm_dir);
}

static struct kunit_suite counters_suite = {
	.name = "diag-counters",
	.init = counters_init,
	.exit = counters_exit,
	.test_cases = counters_cases,
};

kunit_test_suite(counters_suite);
