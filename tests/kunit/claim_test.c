// SPDX-License-Identifier: GPL-2.0-only
/* The parameter "claim": the lists that it accepts, and those that it refuses. */
#include "include_source.h"

#include "claim.c"

#include <linux/sched.h>

#include "vm.h"

void test_claim(const char *list)
{
	WARN_ON(claim_set(list, NULL));
}

struct claim_case {
	const char *list;
	int rc;
	const char *reads;
};

static const struct claim_case claim_cases[] = {
	{ "all", 0, "all\n" },
	{ "0x500", 0, "0x500\n" },
	{ "0x501,0x500", 0, "0x500,0x501\n" },
	{ "0x500,0x500", 0, "0x500\n" },
	{ "0x0,0xffff", 0, "0x0,0xffff\n" },
	{ "0x0500", 0, "0x500\n" },
	{ "0xABC", 0, "0xabc\n" },
	{ "", -EINVAL },
	{ ",", -EINVAL },
	{ "0x500,", -EINVAL },
	{ ",0x500", -EINVAL },
	{ "0x500,,0x501", -EINVAL },
	{ "500", -EINVAL },
	{ "0500", -EINVAL },
	{ "x500", -EINVAL },
	{ "0x", -EINVAL },
	{ "0x5g", -EINVAL },
	{ "0x500 ", -EINVAL },
	{ "0x500, 0x501", -EINVAL },
	{ "-0x500", -EINVAL },
	{ "0x-500", -EINVAL },
	{ "ALL", -EINVAL },
	{ "all,0x500", -EINVAL },
	{ "0x500,all", -EINVAL },
	{ "0x10000", -ERANGE },
	{ "0x500,0x123456789abcdef0123", -ERANGE },
};

static void claim_desc(const struct claim_case *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "'%s'", c->list);
}

KUNIT_ARRAY_PARAM(claim, claim_cases, claim_desc);

static void claim_is_parsed(struct kunit *test)
{
	const struct claim_case *c = test->param_value;
	char *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	/* A refused list changes nothing. */
	KUNIT_ASSERT_EQ(test, claim_set("0x123", NULL), 0);
	KUNIT_EXPECT_EQ(test, claim_set(c->list, NULL), c->rc);
	KUNIT_EXPECT_EQ(test, claim_get(page, NULL), (int)strlen(page));
	KUNIT_EXPECT_STREQ(test, page, c->rc ? "0x123\n" : c->reads);
}

static void long_list_fits_the_page(struct kunit *test)
{
	char *page = (char *)get_zeroed_page(GFP_KERNEL);
	int len;

	KUNIT_ASSERT_NOT_NULL(test, page);
	bitmap_fill(claimed.codes, DIAG_CODES);
	claimed.all = false;
	len = claim_get(page, NULL);
	KUNIT_EXPECT_LT(test, len, (int)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, len, (int)strlen(page));
	free_page((unsigned long)page);
}

/* Each of the two allocations fails once. */
static void nothing_changes_without_memory(struct kunit *test)
{
	char *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	int nth;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, claim_set("0x123", NULL), 0);
	for (nth = 1; nth <= 2; nth++) {
		current->fail_nth = nth;
		KUNIT_EXPECT_EQ(test, claim_set("0x500", NULL), -ENOMEM);
		KUNIT_EXPECT_EQ(test, current->fail_nth, 0);
		current->fail_nth = 0;
		claim_get(page, NULL);
		KUNIT_EXPECT_STREQ(test, page, "0x123\n");
	}
}

static void claim_exit(struct kunit *test)
{
	claim_set("all", NULL);
}

static struct kunit_case claim_test_cases[] = {
	KUNIT_CASE_PARAM(claim_is_parsed, claim_gen_params),
	KUNIT_CASE(long_list_fits_the_page),
	KUNIT_CASE(nothing_changes_without_memory),
	{}
};

static struct kunit_suite claim_suite = {
	.name = "diag-claim",
	.exit = claim_exit,
	.test_cases = claim_test_cases,
};

kunit_test_suite(claim_suite);
