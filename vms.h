/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of the VMs of this host. It records which of them the module has seen before
 * their first vCPU, and holds the counters of each VM.
 */
#ifndef KVM_S390_DIAG_VMS_H
#define KVM_S390_DIAG_VMS_H

#include <linux/compiler.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/types.h>

#include "counters.h"
#include "settings.h"

/**
 * struct vms_hooks - functions of KVM that vms.c uses
 * @destroy_vm: address of kvm_arch_destroy_vm(). KVM calls it when no vCPU of the VM can run
 *	any more
 * @vcpu_precreate: KVM's own kvm_arch_vcpu_precreate(), as an address that ftrace does not
 *	redirect
 */
struct vms_hooks {
	unsigned long destroy_vm;
	int (*vcpu_precreate)(struct kvm *kvm, unsigned int id);
};

/**
 * vms_prepare - decide which VMs the CPUs cache
 * @code: the function code that the fast path handles. A VM is cached only if the module handles
 *	this code of the VM; the fast path does not check that
 * @handled: true if the module handles @code of VMs for which nothing is set
 *
 * Called before any intercept.
 */
void vms_prepare(unsigned int code, bool handled);

/**
 * vms_start - hook the function that destroys VMs
 * @hooks: functions of KVM
 *
 * Called after counters_start(). May sleep. While the hook is registered, the kernel
 * refuses to set kernel.ftrace_enabled to 0.
 *
 * Return: 0, or a negative errno if the hook could not be registered: -ENOMEM, -EBUSY if
 * kernel.ftrace_enabled is 0, or another errno of ftrace.
 */
int vms_start(const struct vms_hooks *hooks);

/**
 * vms_vcpu_precreate - record a VM before its first vCPU, in place of kvm_arch_vcpu_precreate()
 * @kvm: the VM
 * @id: number of the vCPU that is to be created
 *
 * This is the target of an ftrace direct call. It is attached after diag_intercept(), so the
 * guest of a VM that is recorded here has never used KVM's own function for a claimed code. If
 * the VM has vCPUs already, nothing is recorded: the VM was recorded before its first vCPU, or
 * it is older than the module, or there was no memory to record it.
 *
 * Called with kvm->lock held. May sleep to allocate memory, which is charged to the memory
 * cgroup of the caller.
 *
 * Return: the return value of KVM's own function, which is reached by a tail call.
 */
int vms_vcpu_precreate(struct kvm *kvm, unsigned int id);

/**
 * vms_wait - wait for threads that sleep in vms_vcpu_precreate()
 *
 * Called after vms_vcpu_precreate() has been detached and a grace period of RCU-tasks has
 * ended. Another such grace period must follow, because a thread that has woken up may not
 * have left the module yet. May sleep.
 */
void vms_wait(void);

/**
 * vms_stop - remove the hook and forget all VMs
 *
 * Called when no vCPU can be in vms_seen() or vms_count(), and no thread in
 * vms_vcpu_precreate() any more. May sleep.
 *
 * Return: 0, or a negative errno when ftrace still calls into vms.c, whose text must
 * then stay.
 */
int vms_stop(void);

/**
 * struct vms_cache - the VM of the last intercept on a CPU
 * @kvm: the VM, or NULL. Only VMs whose 0x500 the module handles are cached, so the fast path
 *	does not check that. Only the CPU itself, with preemption disabled, writes a
 *	value other than NULL. The destruction of a VM clears every @kvm that points to it, so
 *	a later VM at the same address is never mistaken for it
 * @counters: the counters of @kvm on this CPU; valid while @kvm is not NULL
 * @seen: @kvm was recorded before its first vCPU; valid while @kvm is not NULL
 * @has_settings: something may be set for @kvm; valid while @kvm is not NULL
 */
struct vms_cache {
	const struct kvm *kvm;
	struct diag_counters *counters;
	bool seen;
	bool has_settings;
};

/*
 * Allocated: in a module for s390, Linux 6.1 makes a per-CPU variable weak and reads it through
 * the global offset table.
 */
extern struct vms_cache __percpu *vms_cache __attribute__((visibility("hidden")));

/**
 * vms_seen - was the module attached before this VM had a vCPU?
 * @kvm: a VM that cannot be destroyed during the call
 *
 * Does not sleep.
 *
 * Return: true if it was and the VM could be recorded. False otherwise, also if there was no
 * memory to record the VM. It is always safe to treat a VM as not seen.
 */
bool vms_seen(const struct kvm *kvm);

/**
 * vms_create_settings - get the settings of a VM that has no vCPU yet
 * @kvm: the VM
 *
 * Records the VM, as vms_vcpu_precreate() does. Called with kvm->lock held. May sleep. The memory
 * is charged to the memory cgroup of the caller.
 *
 * Return: the settings. They exist until the VM is destroyed. An error pointer if that fails:
 * -EBUSY if the VM has a vCPU, or -ENOMEM.
 */
struct settings *vms_create_settings(struct kvm *kvm);

/**
 * vms_settings - get the settings of a VM
 * @kvm: a VM that cannot be destroyed before the caller has used the settings
 *
 * Does not sleep.
 *
 * Return: the settings, or NULL if the VM has none.
 */
struct settings *vms_settings(const struct kvm *kvm);

/**
 * vms_count_slowpath - count one intercept of any VM, and cache the VM
 * @kvm: a VM that cannot be destroyed during the call
 * @outcome: the outcome of the intercept
 *
 * Called from thread context only. Does not sleep.
 */
void vms_count_slowpath(const struct kvm *kvm, enum diag_outcome outcome);

/**
 * vms_count - count one intercept
 * @counters: the counters of a VM on this CPU
 * @outcome: the outcome of the intercept
 *
 * Called from thread context only, with preemption disabled. Uses a plain addition, because
 * this_cpu_inc() is a compare-and-swap loop on z10. Debian's kernels are built for z10,
 * the oldest machine generation that Linux 6.1 supports.
 */
static __always_inline void vms_count(struct diag_counters *counters, enum diag_outcome outcome)
{
	/* Other CPUs read this counter at any time, and never write it. */
	data_race(counters->of[outcome]++);
}

#endif /* KVM_S390_DIAG_VMS_H */
