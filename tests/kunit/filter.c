// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs only the cases that the module's parameters name. On 6.1, KUnit's own filter_glob has
 * no effect on the suites of modules. The kernel must be booted with kunit.enable=0, because
 * KUnit otherwise runs all suites before the module's parameters are parsed.
 */
#include <linux/glob.h>
#include <linux/module.h>
#include <kunit/test.h>

static char *suite_glob;
module_param(suite_glob, charp, 0);

static char *case_glob = "*";
module_param(case_glob, charp, 0);

/* Moves the matching cases to the front. Returns whether there are any. */
static bool filter_cases(struct kunit_suite *suite)
{
	struct kunit_case *test_case, *kept = suite->test_cases;

	kunit_suite_for_each_test_case(suite, test_case)
		if (glob_match(case_glob, test_case->name))
			*kept++ = *test_case;
	memset(kept, 0, sizeof(*kept));
	return kept != suite->test_cases;
}

static int __init filter_init(void)
{
	struct kunit_suite **suites = THIS_MODULE->kunit_suites;
	int i;

	if (!suite_glob)
		return 0;
	for (i = 0; i < THIS_MODULE->num_kunit_suites; i++)
		if (glob_match(suite_glob, suites[i]->name) && filter_cases(suites[i]))
			kunit_run_tests(suites[i]);
	return 0;
}
module_init(filter_init);
