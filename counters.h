/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of intercepts by outcome: for each VM, and in total.
 */
#ifndef KVM_S390_DIAG_COUNTERS_H
#define KVM_S390_DIAG_COUNTERS_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "settings.h"

struct dentry;

/**
 * enum diag_outcome - the outcome of one DIAGNOSE intercept
 * @DIAG_SERVED_COOKIE: notification served; the guest's cookie was right
 * @DIAG_SERVED_SEARCH: notification served after a search of the bus
 * @DIAG_BUS_GONE: the notify bus is gone; the guest got -ENOMEM
 * @DIAG_NO_DEVICE: notification forwarded; no device accepts it
 * @DIAG_NO_CSS: notification forwarded; the VM lacks CSS support
 * @DIAG_OTHER_SUBCODE: function code 0x500 with another subcode, forwarded
 * @DIAG_OTHER_CODE: another function code that is claimed for the VM, forwarded
 * @DIAG_REQUESTED: a function code that goes to userspace because the VMM has set that, forwarded
 * @DIAG_PRIVILEGED: issued in problem state; KVM's own handler refuses it
 * @DIAG_LEFT_TO_KVM: a function code that is not claimed for this VM, or that the VMM has set to
 *	the kernel; KVM's own handler answers
 * @DIAG_OUTCOMES: number of outcomes
 *
 * Each intercept has exactly one outcome. DIAG_SERVED_COOKIE to DIAG_BUS_GONE mean that the
 * module has completed the DIAGNOSE. DIAG_NO_DEVICE to DIAG_REQUESTED mean that the module
 * has forwarded it to userspace. The module counts each outcome except DIAG_LEFT_TO_KVM,
 * because KVM itself counts each DIAGNOSE that is left to it.
 *
 * A new outcome is added before DIAG_PRIVILEGED. It must also be added to outcome_names in
 * counters.c, and twice to trace.h: with TRACE_DEFINE_ENUM(), and in TP_printk().
 */
enum diag_outcome {
	DIAG_SERVED_COOKIE,
	DIAG_SERVED_SEARCH,
	DIAG_BUS_GONE,
	DIAG_NO_DEVICE,
	DIAG_NO_CSS,
	DIAG_OTHER_SUBCODE,
	DIAG_OTHER_CODE,
	DIAG_REQUESTED,
	DIAG_PRIVILEGED,
	DIAG_LEFT_TO_KVM,
	DIAG_OUTCOMES
};

/* The number of outcomes that the module counts. */
#define DIAG_COUNTERS	DIAG_LEFT_TO_KVM

/**
 * struct diag_counters - intercepts by outcome
 * @of: indexed by enum diag_outcome, without DIAG_LEFT_TO_KVM; never reset, wraps at 2^64
 */
struct diag_counters {
	u64 of[DIAG_COUNTERS];
};

/* Size of the name that KVM gives a VM in debugfs, "<pid>-<fd>". */
#define DIAG_VM_NAME	24

/**
 * struct diag_tally - the counters and settings of one VM, and the file that shows them
 * @counters: one set for each CPU
 * @settings: what VMMs have set for the VM, or NULL. It is written once, before the VM's first
 *	vCPU, by smp_store_release()
 * @name: name of the file; written before @show is queued
 * @file: the file in debugfs, or NULL. Only the work items, which run one at a time, use
 *	@file and @waiting
 * @waiting: another VM, not yet destroyed, still has a file of this name
 * @list: links the tally into the list of live tallies
 * @show: work item that creates the file
 * @retire: work item that removes the file and frees the tally with its settings
 */
struct diag_tally {
	struct diag_counters __percpu *counters;
	struct settings *settings;
	char name[DIAG_VM_NAME];
	struct dentry *file;
	bool waiting;
	struct list_head list;
	struct work_struct show;
	struct work_struct retire;
};

/**
 * counters_start - prepare for counting
 *
 * May sleep. If there is no debugfs, or no directory of KVM in it, no files are created.
 * Intercepts are counted nevertheless.
 *
 * Return: 0 or -ENOMEM.
 */
int counters_start(void);

/**
 * counters_show - create the folder of the files and the file of the total
 *
 * The files of VMs are created from then on. Called when the load of the module can no longer
 * fail, because a load that fails frees the module even while a file is open. May sleep.
 */
void counters_show(void);

/**
 * counters_stop - remove the files and free the counters
 *
 * Called when no intercept can be counted any more and every tally is retired.
 * May sleep.
 */
void counters_stop(void);

/**
 * counters_sum - sum up all intercepts since counters_start()
 * @sum: the result. It includes live VMs, destroyed VMs, and @diag_unattributed
 *
 * May sleep.
 */
void counters_sum(struct diag_counters *sum);

/**
 * tally_create - create the counters of a VM, and their file
 * @vm_dir: debugfs directory of the VM; the file gets the same name. If it is NULL or an error
 *	pointer, no file is created
 * @gfp: how to allocate memory
 *
 * Sleeps only if @gfp allows it. A work item creates the file later.
 *
 * Return: the tally, all zero, or NULL when out of memory.
 */
struct diag_tally *tally_create(const struct dentry *vm_dir, gfp_t gfp);

/**
 * tally_retire - remove the file of a destroyed VM and free its counters and settings
 * @tally: its tally; the caller must not use it any more
 *
 * The counts stay in the total. Does not sleep: a work item removes the file and frees
 * the memory.
 */
void tally_retire(struct diag_tally *tally);

/* Counts the intercepts of VMs that have no tally because memory was short. */
extern struct diag_counters __percpu *diag_unattributed;

#endif /* KVM_S390_DIAG_COUNTERS_H */
