/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VMMs have set for their VMs: who answers which function codes.
 */
#ifndef KVM_S390_DIAG_SETTINGS_H
#define KVM_S390_DIAG_SETTINGS_H

#include <linux/atomic.h>
#include <linux/types.h>

#include "kvm_s390_diag.h"

struct seq_file;
struct settings;
struct settings_file;

/* Function codes have 16 bits. */
#define DIAG_CODES	0x10000

/* Number of VMs that have settings. */
extern atomic_t settings_vms;

/**
 * settings_exist - may a VM of this host have settings?
 *
 * May be called from any context.
 *
 * Return: false if no VM has any.
 */
static __always_inline bool settings_exist(void)
{
	return atomic_read(&settings_vms);
}

/**
 * settings_create - create the settings of a VM; nothing is set yet
 *
 * May sleep. The memory is charged to the memory cgroup of the caller.
 *
 * Return: the settings, or NULL when out of memory.
 */
struct settings *settings_create(void);

/**
 * settings_destroy - free the settings of a VM
 * @settings: the settings, or NULL. No intercept and no ioctl uses them any more
 *
 * Called when the VM is destroyed. May sleep.
 */
void settings_destroy(struct settings *settings);

/**
 * settings_vm_has_vcpu - note that the VM gets its first vCPU
 * @settings: the settings of the VM, or NULL
 *
 * What is set to the kernel then stays until the VM is destroyed. May sleep.
 */
void settings_vm_has_vcpu(struct settings *settings);

/**
 * settings_get - what is set for a function code?
 * @settings: the settings of a VM, or NULL
 * @code: the function code, 0 to 0xffff
 *
 * May be called from any context.
 *
 * Return: KVM_S390_DIAG_TO_USERSPACE, KVM_S390_DIAG_TO_KERNEL, or 0 if nothing is set.
 */
unsigned int settings_get(const struct settings *settings, unsigned int code);

/**
 * settings_open - note a file that can set something
 *
 * May sleep.
 *
 * Return: the file, or NULL when out of memory.
 */
struct settings_file *settings_open(void);

/**
 * settings_close - end what a file has set
 * @file: the file, which is freed
 *
 * What was set to the kernel for a VM that has a vCPU does not end: the guest may rely on it. May
 * sleep.
 */
void settings_close(struct settings_file *file);

/**
 * settings_set - set who answers a range of function codes
 * @settings: the settings of a VM
 * @file: the file that sets it
 * @range: the range and the action, which the caller has checked
 *
 * May sleep. The memory is charged to the memory cgroup of the caller.
 *
 * Return: 0, -EEXIST if something is set for a code of the range, -ENOSPC if the VM has 256
 * ranges, or -ENOMEM. Nothing is set if it fails.
 */
int settings_set(struct settings *settings, struct settings_file *file,
		 const struct kvm_s390_diag_range *range);

/**
 * settings_find - find the lowest range that is set and ends at a function code or above it
 * @settings: the settings of a VM, or NULL
 * @range: @range->first is the function code, or DIAG_CODES. If a range is found, it is stored in
 *	@range->first, @range->last and @range->action
 *
 * May sleep.
 *
 * Return: 0, or -ENOENT if there is no such range.
 */
int settings_find(struct settings *settings, struct kvm_s390_diag_range *range);

/**
 * settings_show - print what is set for a VM, one line for each range
 * @settings: the settings of a VM, or NULL
 * @m: where the lines are printed
 *
 * May sleep.
 */
void settings_show(struct settings *settings, struct seq_file *m);

#endif /* KVM_S390_DIAG_SETTINGS_H */
