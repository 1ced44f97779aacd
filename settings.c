// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VMMs have set for their VMs: who answers which function codes.
 *
 * A range of function codes is set for one VM through one open file. It ends when the file is
 * closed or when the VM is destroyed, whichever is first. A bitmap for each action shows without
 * a lock what is set for a code.
 *
 * A guest that has run may rely on the kernel's answers. A range that was set to the kernel
 * therefore stays until the VM is destroyed, if the VM has a vCPU when the file is closed.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "settings.h"
#include "shortcut.h"

/* Bounds the time for which settings_lock is held. */
#define MAX_RANGES	256

/**
 * struct settings - what is set for a VM
 * @ranges: list of the ranges
 * @to_userspace: function codes that go to userspace
 * @to_kernel: function codes that go to the kernel
 * @has_vcpu: the guest may have run
 */
struct settings {
	struct list_head ranges;
	unsigned long *to_userspace;
	unsigned long *to_kernel;
	bool has_vcpu;
};

/**
 * struct settings_file - an open file that can set something
 * @ranges: list of the ranges that were set through it
 */
struct settings_file {
	struct list_head ranges;
};

/**
 * struct range - a range of function codes that is set for a VM
 * @of_vm: links the range into the settings of the VM
 * @of_file: links the range into the list of the file, or is empty after the file was closed
 * @settings: the settings of the VM
 * @first: first function code
 * @last: last function code
 * @action: who answers, KVM_S390_DIAG_TO_USERSPACE or KVM_S390_DIAG_TO_KERNEL
 * @pid: the process that set it
 */
struct range {
	struct list_head of_vm;
	struct list_head of_file;
	struct settings *settings;
	u32 first;
	u32 last;
	u32 action;
	pid_t pid;
};

atomic_t settings_vms;

/* Protects all ranges and their lists. Bitmaps are written under it, and read without it. */
static DEFINE_MUTEX(settings_lock);

struct settings *settings_create(void)
{
	struct settings *settings = kzalloc(sizeof(*settings), GFP_KERNEL_ACCOUNT);

	if (!settings)
		return NULL;
	INIT_LIST_HEAD(&settings->ranges);
	settings->to_userspace = bitmap_zalloc(DIAG_CODES, GFP_KERNEL_ACCOUNT);
	settings->to_kernel = bitmap_zalloc(DIAG_CODES, GFP_KERNEL_ACCOUNT);
	atomic_inc(&settings_vms);
	shortcut_block();
	if (settings->to_userspace && settings->to_kernel)
		return settings;
	settings_destroy(settings);
	return NULL;
}

void settings_vm_has_vcpu(struct settings *settings)
{
	if (!settings)
		return;
	mutex_lock(&settings_lock);
	settings->has_vcpu = true;
	mutex_unlock(&settings_lock);
}

/* Called with the lock held. */
static void write_codes(const struct range *range, bool set)
{
	unsigned long *codes = range->action == KVM_S390_DIAG_TO_KERNEL ?
			       range->settings->to_kernel : range->settings->to_userspace;
	unsigned int code;

	for (code = range->first; code <= range->last; code++)
		assign_bit(code, codes, set);
}

/* Called with the lock held. */
static void end_range(struct range *range)
{
	write_codes(range, false);
	list_del(&range->of_vm);
	list_del(&range->of_file);
	kfree(range);
}

void settings_destroy(struct settings *settings)
{
	struct range *range, *next;

	if (!settings)
		return;
	mutex_lock(&settings_lock);
	list_for_each_entry_safe(range, next, &settings->ranges, of_vm)
		end_range(range);
	mutex_unlock(&settings_lock);
	bitmap_free(settings->to_userspace);
	bitmap_free(settings->to_kernel);
	kfree(settings);
	atomic_dec(&settings_vms);
	shortcut_unblock();
}

unsigned int settings_get(const struct settings *settings, unsigned int code)
{
	if (!settings)
		return 0;
	if (test_bit(code, settings->to_userspace))
		return KVM_S390_DIAG_TO_USERSPACE;
	return test_bit(code, settings->to_kernel) ? KVM_S390_DIAG_TO_KERNEL : 0;
}

struct settings_file *settings_open(void)
{
	struct settings_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (file)
		INIT_LIST_HEAD(&file->ranges);
	return file;
}

void settings_close(struct settings_file *file)
{
	struct range *range;

	/* The lock is taken for each range, because a file can have ranges of many VMs. */
	do {
		mutex_lock(&settings_lock);
		range = list_first_entry_or_null(&file->ranges, struct range, of_file);
		if (range && range->action == KVM_S390_DIAG_TO_KERNEL && range->settings->has_vcpu)
			list_del_init(&range->of_file);
		else if (range)
			end_range(range);
		mutex_unlock(&settings_lock);
		cond_resched();
	} while (range);
	kfree(file);
}

/* Called with the lock held. Returns 0 or the error of settings_set(). */
static int check_range(const struct settings *settings, const struct kvm_s390_diag_range *range)
{
	const struct range *r;
	unsigned int n = 0;

	list_for_each_entry(r, &settings->ranges, of_vm) {
		if (r->first <= range->last && range->first <= r->last)
			return -EEXIST;
		n++;
	}
	return n < MAX_RANGES ? 0 : -ENOSPC;
}

int settings_set(struct settings *settings, struct settings_file *file,
		 const struct kvm_s390_diag_range *range)
{
	struct range *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!new)
		return -ENOMEM;
	new->settings = settings;
	new->first = range->first;
	new->last = range->last;
	new->action = range->action;
	new->pid = task_tgid_nr(current);
	mutex_lock(&settings_lock);
	rc = check_range(settings, range);
	if (rc) {
		kfree(new);
		goto unlock;
	}
	list_add_tail(&new->of_vm, &settings->ranges);
	list_add_tail(&new->of_file, &file->ranges);
	write_codes(new, true);
unlock:
	mutex_unlock(&settings_lock);
	return rc;
}

int settings_find(struct settings *settings, struct kvm_s390_diag_range *range)
{
	const struct range *r, *lowest = NULL;

	if (!settings)
		return -ENOENT;
	mutex_lock(&settings_lock);
	list_for_each_entry(r, &settings->ranges, of_vm)
		if (r->last >= range->first && (!lowest || r->first < lowest->first))
			lowest = r;
	if (lowest) {
		range->first = lowest->first;
		range->last = lowest->last;
		range->action = lowest->action;
	}
	mutex_unlock(&settings_lock);
	return lowest ? 0 : -ENOENT;
}

void settings_show(struct settings *settings, struct seq_file *m)
{
	const struct range *range;

	if (!settings)
		return;
	mutex_lock(&settings_lock);
	list_for_each_entry(range, &settings->ranges, of_vm)
		seq_printf(m, "set 0x%x-0x%x %s %d\n", range->first, range->last,
			   range->action == KVM_S390_DIAG_TO_KERNEL ? "to_kernel" : "to_userspace",
			   list_empty(&range->of_file) ? 0 : range->pid);
	mutex_unlock(&settings_lock);
}
