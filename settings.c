// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VMMs have set for their VMs: who answers which function codes.
 *
 * A range of function codes is set for one VM through one open file. It ends when the file is
 * closed or when the VM is destroyed, whichever is first. A bitmap for each action shows without
 * a lock what is set for a code.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "settings.h"

#define ACTIONS		2

/**
 * struct settings - what is set for a VM
 * @ranges: list of the ranges
 * @codes: for each action, the function codes for which it is set
 */
struct settings {
	struct list_head ranges;
	unsigned long *codes[ACTIONS];
};

/**
 * struct settings_file - an open file that can set something
 * @ranges: list of the ranges that were set through it
 * @pid: the process that opened it
 */
struct settings_file {
	struct list_head ranges;
	pid_t pid;
};

/**
 * struct range - a range of function codes that is set for a VM
 * @of_vm: links the range into the settings of the VM
 * @of_file: links the range into the list of the file
 * @settings: the settings of the VM
 * @first: first function code
 * @last: last function code
 * @action: who answers, KVM_S390_DIAG_TO_USERSPACE or KVM_S390_DIAG_TO_KERNEL
 * @pid: the process that opened the file
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
static DEFINE_MUTEX(lock);

static unsigned long *codes_of(const struct settings *settings, u32 action)
{
	return settings->codes[action - KVM_S390_DIAG_TO_USERSPACE];
}

struct settings *settings_create(void)
{
	struct settings *settings = kzalloc(sizeof(*settings), GFP_KERNEL_ACCOUNT);
	int i;

	if (!settings)
		return NULL;
	INIT_LIST_HEAD(&settings->ranges);
	atomic_inc(&settings_vms);
	for (i = 0; i < ACTIONS; i++) {
		settings->codes[i] = bitmap_zalloc(DIAG_CODES, GFP_KERNEL_ACCOUNT);
		if (!settings->codes[i]) {
			settings_destroy(settings);
			return NULL;
		}
	}
	return settings;
}

static void end(struct range *range)
{
	unsigned long *codes = codes_of(range->settings, range->action);
	unsigned int code;

	for (code = range->first; code <= range->last; code++)
		clear_bit(code, codes);
	list_del(&range->of_vm);
	list_del(&range->of_file);
	kfree(range);
}

/*
 * Ends the first range of a list, which links the ranges at @offset. Returns false if the list is
 * empty. The lock is taken for each range, because a list can have 65536 ranges for each VM.
 */
static bool end_first(struct list_head *ranges, size_t offset)
{
	bool found;

	mutex_lock(&lock);
	found = !list_empty(ranges);
	if (found)
		end((void *)ranges->next - offset);
	mutex_unlock(&lock);
	return found;
}

void settings_destroy(struct settings *settings)
{
	int i;

	if (!settings)
		return;
	while (end_first(&settings->ranges, offsetof(struct range, of_vm)))
		cond_resched();
	for (i = 0; i < ACTIONS; i++)
		bitmap_free(settings->codes[i]);
	kfree(settings);
	atomic_dec(&settings_vms);
}

unsigned int settings_get(const struct settings *settings, unsigned int code)
{
	unsigned int action;

	if (!settings)
		return 0;
	for (action = KVM_S390_DIAG_TO_USERSPACE; action <= KVM_S390_DIAG_TO_KERNEL; action++)
		if (test_bit(code, codes_of(settings, action)))
			return action;
	return 0;
}

struct settings_file *settings_open(void)
{
	struct settings_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (!file)
		return NULL;
	INIT_LIST_HEAD(&file->ranges);
	file->pid = task_tgid_nr(current);
	return file;
}

bool settings_close(struct settings_file *file)
{
	bool ended = false;

	while (end_first(&file->ranges, offsetof(struct range, of_file))) {
		ended = true;
		cond_resched();
	}
	kfree(file);
	return ended;
}

/* Called with the lock held. */
static bool is_set(const struct settings *settings, const struct kvm_s390_diag_range *range)
{
	int i;

	for (i = 0; i < ACTIONS; i++)
		if (find_next_bit(settings->codes[i], range->last + 1, range->first) <= range->last)
			return true;
	return false;
}

int settings_set(struct settings *settings, struct settings_file *file,
		 const struct kvm_s390_diag_range *range)
{
	struct range *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	unsigned int code;
	int rc = 0;

	if (!new)
		return -ENOMEM;
	new->settings = settings;
	new->first = range->first;
	new->last = range->last;
	new->action = range->action;
	new->pid = file->pid;
	mutex_lock(&lock);
	if (is_set(settings, range)) {
		rc = -EEXIST;
		kfree(new);
		goto unlock;
	}
	list_add_tail(&new->of_vm, &settings->ranges);
	list_add_tail(&new->of_file, &file->ranges);
	for (code = range->first; code <= range->last; code++)
		set_bit(code, codes_of(settings, range->action));
unlock:
	mutex_unlock(&lock);
	return rc;
}

int settings_find(struct settings *settings, struct kvm_s390_diag_range *range)
{
	const struct range *r, *lowest = NULL;

	if (!settings)
		return -ENOENT;
	mutex_lock(&lock);
	list_for_each_entry(r, &settings->ranges, of_vm)
		if (r->last >= range->first && (!lowest || r->first < lowest->first))
			lowest = r;
	if (lowest) {
		range->first = lowest->first;
		range->last = lowest->last;
		range->action = lowest->action;
	}
	mutex_unlock(&lock);
	return lowest ? 0 : -ENOENT;
}

void settings_show(struct settings *settings, struct seq_file *m)
{
	const struct range *range;

	if (!settings)
		return;
	mutex_lock(&lock);
	list_for_each_entry(range, &settings->ranges, of_vm)
		seq_printf(m, "set 0x%x-0x%x %s %d\n", range->first, range->last,
			   range->action == KVM_S390_DIAG_TO_KERNEL ? "to_kernel" : "to_userspace",
			   range->pid);
	mutex_unlock(&lock);
}
