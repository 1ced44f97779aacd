// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intercepts by outcome: per-CPU counters, summed up when somebody reads them
 * in debugfs.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>

#include "diag.h"

/* Allocated, for s390 modules have no static per-CPU variables. */
struct diag_counters __percpu *diag_counters;

static struct dentry *dir;

static const char *const outcome_names[DIAG_OUTCOMES] = {
	[DIAG_SERVED_COOKIE]	= "served_cookie",
	[DIAG_SERVED_SEARCH]	= "served_search",
	[DIAG_BUS_GONE]		= "bus_gone",
	[DIAG_NO_DEVICE]	= "forwarded_no_device",
	[DIAG_NO_CSS]		= "forwarded_no_css",
	[DIAG_OTHER_SUBCODE]	= "forwarded_other_subcode",
	[DIAG_OTHER_CODE]	= "forwarded_other_code",
	[DIAG_LEFT_TO_KVM]	= "left_to_kvm",
	[DIAG_PRIVILEGED]	= "privileged",
};

static int total_show(struct seq_file *m, void *unused)
{
	unsigned int outcome;
	int cpu;

	for (outcome = 0; outcome < DIAG_OUTCOMES; outcome++) {
		u64 sum = 0;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu_ptr(diag_counters, cpu)->of[outcome]);
		seq_printf(m, "%s %llu\n", outcome_names[outcome], sum);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(total);

int counters_start(void)
{
	diag_counters = alloc_percpu(struct diag_counters);
	return diag_counters ? 0 : -ENOMEM;
}

void counters_show(void)
{
	struct dentry *kvm_dir = debugfs_lookup("kvm", NULL);

	if (IS_ERR_OR_NULL(kvm_dir))
		return;
	dir = debugfs_create_dir("kvm-s390-diag", kvm_dir);
	debugfs_create_file("total", 0444, dir, NULL, &total_fops);
	dput(kvm_dir);
}

void counters_stop(void)
{
	debugfs_remove(dir);
	dir = NULL;
	free_percpu(diag_counters);
	diag_counters = NULL;
}
