// SPDX-License-Identifier: GPL-2.0-only
/* The counters as an administrator reads them. */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/uio.h>

#include "vm.h"

#define TOTAL	"/sys/kernel/debug/kvm/kvm-s390-diag/total"

static void expect_file(struct kunit *test, const char *expected)
{
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct kvec vec = { .iov_base = text, .iov_len = PAGE_SIZE - 1 };
	struct file *file = filp_open(TOTAL, O_RDONLY, 0);
	struct iov_iter iter;
	struct kiocb kiocb;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	/* kernel_read() does not take a file that only userspace can read. */
	init_sync_kiocb(&kiocb, file);
	iov_iter_kvec(&iter, READ, &vec, 1, vec.iov_len);
	KUNIT_EXPECT_EQ(test, seq_read_iter(&kiocb, &iter), (ssize_t)strlen(expected));
	KUNIT_EXPECT_STREQ(test, text, expected);
	filp_close(file, NULL);
}

static void each_outcome_has_its_line(struct kunit *test)
{
	/* KVM makes this one where the machine has SIE. */
	struct dentry *kvm_dir = debugfs_create_dir("kvm", NULL);
	enum diag_outcome outcome;
	int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(kvm_dir));
	KUNIT_ASSERT_EQ(test, counters_start(), 0);
	counters_show();
	for (outcome = 0; outcome < DIAG_OUTCOMES; outcome++)
		for (i = 0; i <= outcome; i++)
			diag_count(outcome);
	expect_file(test,
		    "served_cookie 1\n"
		    "served_search 2\n"
		    "bus_gone 3\n"
		    "forwarded_no_device 4\n"
		    "forwarded_no_css 5\n"
		    "forwarded_other_subcode 6\n"
		    "forwarded_other_code 7\n"
		    "left_to_kvm 8\n"
		    "privileged 9\n");
	counters_stop();
	KUNIT_EXPECT_EQ(test, PTR_ERR(filp_open(TOTAL, O_RDONLY, 0)), -ENOENT);
	debugfs_remove(kvm_dir);
}

static struct kunit_case counters_cases[] = {
	KUNIT_CASE(each_outcome_has_its_line),
	{}
};

static struct kunit_suite counters_suite = {
	.name = "diag-counters",
	.test_cases = counters_cases,
};

kunit_test_suite(counters_suite);
