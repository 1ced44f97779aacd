// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of intercepts by outcome: per-CPU counters for each VM, summed up when a
 * file in debugfs is read.
 *
 * The ftrace callback at the destruction of a VM, and the first intercept of an older VM, must
 * not sleep, so work items create and remove the files. The work items run in the order in
 * which they were queued, one at a time. The first one waits until the module is loaded, because
 * a load that fails frees the module even while somebody has a file open.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "counters.h"

struct diag_counters __percpu *diag_unattributed;

static struct workqueue_struct *queue;
static DECLARE_COMPLETION(loaded);
/* NULL until the module is loaded, and if KVM has no directory in debugfs. */
static struct dentry *dir;

/*
 * Live tallies; a tally holds the counters of one VM. A writer of the list holds add_lock. A
 * removal needs add_lock and retire_mutex, so no tally is removed while either of them is held.
 * @retired is the sum of all removed tallies. It is protected by retire_mutex.
 */
static LIST_HEAD(tallies);
static DEFINE_SPINLOCK(add_lock);
static DEFINE_MUTEX(retire_mutex);
static struct diag_counters retired;

/* trace.h uses the same names. */
static const char *const outcome_names[DIAG_COUNTERS] = {
	[DIAG_SERVED_COOKIE]	= "served_cookie",
	[DIAG_SERVED_SEARCH]	= "served_search",
	[DIAG_BUS_GONE]		= "bus_gone",
	[DIAG_NO_DEVICE]	= "forwarded_no_device",
	[DIAG_NO_CSS]		= "forwarded_no_css",
	[DIAG_OTHER_SUBCODE]	= "forwarded_other_subcode",
	[DIAG_OTHER_CODE]	= "forwarded_other_code",
	[DIAG_REQUESTED]	= "forwarded_requested",
	[DIAG_PRIVILEGED]	= "privileged",
};

static void add_up(struct diag_counters *sum, const struct diag_counters __percpu *counters)
{
	unsigned int outcome;
	int cpu;

	for_each_possible_cpu(cpu)
		for (outcome = 0; outcome < DIAG_COUNTERS; outcome++)
			sum->of[outcome] += READ_ONCE(per_cpu_ptr(counters, cpu)->of[outcome]);
}

void counters_sum(struct diag_counters *sum)
{
	const struct diag_tally *tally;

	mutex_lock(&retire_mutex);
	*sum = retired;
	add_up(sum, diag_unattributed);
	list_for_each_entry_rcu(tally, &tallies, list, lockdep_is_held(&retire_mutex))
		add_up(sum, tally->counters);
	mutex_unlock(&retire_mutex);
}

static void print_counters(struct seq_file *m, const struct diag_counters *sum)
{
	unsigned int outcome;

	for (outcome = 0; outcome < DIAG_COUNTERS; outcome++)
		seq_printf(m, "%s %llu\n", outcome_names[outcome], sum->of[outcome]);
}

static int total_show(struct seq_file *m, void *unused)
{
	struct diag_counters sum;

	counters_sum(&sum);
	print_counters(m, &sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(total);

/* retire_work() frees the tally after debugfs_remove(), which waits until this read ends. */
static int tally_file_show(struct seq_file *m, void *unused)
{
	const struct diag_tally *tally = m->private;
	struct diag_counters sum = {};

	add_up(&sum, tally->counters);
	print_counters(m, &sum);
	settings_show(READ_ONCE(tally->settings), m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tally_file);

static void wait_work(struct work_struct *work)
{
	wait_for_completion(&loaded);
}

static DECLARE_WORK(wait, wait_work);

static void create_file(struct diag_tally *tally)
{
	struct dentry *file;

	if (!dir)
		return;
	file = debugfs_create_file(tally->name, 0444, dir, tally, &tally_file_fops);
	tally->file = IS_ERR(file) ? NULL : file;
}

/*
 * KVM can give the name of a VM to a second VM while it destroys the first VM, whose directory it
 * has already removed. The file of the first VM may still exist. The second VM gets a file when
 * that file is removed.
 */
static void show_work(struct work_struct *work)
{
	struct diag_tally *tally = container_of(work, struct diag_tally, show), *other;

	mutex_lock(&retire_mutex);
	list_for_each_entry_rcu(other, &tallies, list, lockdep_is_held(&retire_mutex))
		if (other->file && !strcmp(other->name, tally->name))
			tally->waiting = true;
	mutex_unlock(&retire_mutex);
	if (!tally->waiting)
		create_file(tally);
}

static void retire_work(struct work_struct *work)
{
	struct diag_tally *tally = container_of(work, struct diag_tally, retire), *other;
	struct diag_tally *heir = NULL;

	/* Waits until no reader uses the file. */
	debugfs_remove(tally->file);

	mutex_lock(&retire_mutex);
	add_up(&retired, tally->counters);
	spin_lock(&add_lock);
	list_del_rcu(&tally->list);
	spin_unlock(&add_lock);
	list_for_each_entry_rcu(other, &tallies, list, lockdep_is_held(&retire_mutex)) {
		if (tally->file && other->waiting && !strcmp(other->name, tally->name)) {
			heir = other;
			break;
		}
	}
	mutex_unlock(&retire_mutex);

	if (heir) {
		heir->waiting = false;
		create_file(heir);
	}
	settings_destroy(tally->settings);
	free_percpu(tally->counters);
	kfree(tally);
}

struct diag_tally *tally_create(const struct dentry *vm_dir, gfp_t gfp)
{
	struct diag_tally *tally = kzalloc(sizeof(*tally), gfp);

	if (!tally)
		return NULL;
	tally->counters = alloc_percpu_gfp(struct diag_counters, gfp);
	if (!tally->counters) {
		kfree(tally);
		return NULL;
	}
	INIT_WORK(&tally->show, show_work);
	INIT_WORK(&tally->retire, retire_work);
	spin_lock(&add_lock);
	list_add_tail_rcu(&tally->list, &tallies);
	spin_unlock(&add_lock);
	/* @vm_dir is an error pointer or NULL if KVM has made no directory for the VM. */
	if (!IS_ERR_OR_NULL(vm_dir)) {
		snprintf(tally->name, sizeof(tally->name), "%pd", vm_dir);
		queue_work(queue, &tally->show);
	}
	return tally;
}

void tally_retire(struct diag_tally *tally)
{
	queue_work(queue, &tally->retire);
}

static void create_dir(void)
{
	struct dentry *kvm_dir = debugfs_lookup("kvm", NULL);

	if (IS_ERR_OR_NULL(kvm_dir))
		return;
	dir = debugfs_create_dir("kvm-s390-diag", kvm_dir);
	dput(kvm_dir);
	if (IS_ERR(dir))
		dir = NULL;
}

int counters_start(void)
{
	diag_unattributed = alloc_percpu(struct diag_counters);
	if (!diag_unattributed)
		return -ENOMEM;
	queue = alloc_ordered_workqueue("kvm-s390-diag", 0);
	if (!queue) {
		free_percpu(diag_unattributed);
		return -ENOMEM;
	}
	retired = (struct diag_counters){};
	reinit_completion(&loaded);
	queue_work(queue, &wait);
	return 0;
}

void counters_show(void)
{
	create_dir();
	if (dir)
		debugfs_create_file("total", 0444, dir, NULL, &total_fops);
	complete(&loaded);
}

void counters_stop(void)
{
	/* If the load has failed, the work items still wait. They create no file. */
	complete(&loaded);
	destroy_workqueue(queue);
	debugfs_remove(dir);
	dir = NULL;
	free_percpu(diag_unattributed);
	diag_unattributed = NULL;
}
