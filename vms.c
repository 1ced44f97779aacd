// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMs of this host, which of them were created while the module was attached,
 * and the counting of their intercepts.
 *
 * KVM does not tell modules about its VMs, so an ftrace callback runs when KVM enters
 * kvm_arch_init_vm(), kvm_arch_create_vm_debugfs() and kvm_arch_destroy_vm(). A
 * creation that fails leaves an entry behind, until another VM is created at the same
 * address. A VM older than the module gets its entry at its first intercept.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/hashtable.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "counters.h"
#include "vms.h"

struct vms_cache __percpu *vms_cache;

/**
 * struct diag_vm - the entry of a VM
 * @node: in the bucket of @kvm in vms
 * @kvm: the VM
 * @seen: the VM was created while the module was attached
 * @tally: its counters; NULL until they could be allocated, constant afterwards
 * @rcu: frees the entry after a grace period
 */
struct diag_vm {
	struct hlist_node node;
	const struct kvm *kvm;
	bool seen;
	struct diag_tally *tally;
	struct rcu_head rcu;
};

/* Written under vms_lock, read under RCU. */
static DEFINE_HASHTABLE(vms, 7);
static DEFINE_SPINLOCK(vms_lock);

/* Number of entries from vm_created() without a tally; protected by vms_lock. */
static unsigned int unnamed;

/* Set when the direct call is in place. A VM created earlier does not count as seen. */
static bool recording;

/* Called under vms_lock or RCU. An entry lives until its VM is destroyed. */
static struct diag_vm *find(const struct kvm *kvm)
{
	struct diag_vm *vm;

	hash_for_each_possible_rcu(vms, vm, node, (unsigned long)kvm, lockdep_is_held(&vms_lock))
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

/*
 * Must not sleep: it runs from ftrace callbacks with preemption disabled, and a vCPU
 * that slept here would defeat detaching.
 */
static struct diag_vm *find_or_add(const struct kvm *kvm, bool seen)
{
	struct diag_vm *vm;

	lockdep_assert_held(&vms_lock);
	vm = find(kvm);
	if (vm)
		return vm;
	vm = kzalloc(sizeof(*vm), GFP_NOWAIT | __GFP_NOWARN);
	if (vm) {
		vm->kvm = kvm;
		vm->seen = seen;
		hash_add_rcu(vms, &vm->node, (unsigned long)kvm);
	}
	return vm;
}

static void add_tally(struct diag_vm *vm)
{
	const struct dentry *dir = vm->kvm->debugfs_dentry;
	struct diag_tally *tally;

	lockdep_assert_held(&vms_lock);
	if (vm->tally)
		return;
	tally = tally_create();
	if (!tally)
		return;
	/* KVM stores an error there when it has made no directory for the VM. */
	if (!IS_ERR_OR_NULL(dir))
		tally_show(tally, dir);
	if (vm->seen)
		unnamed--;
	/* Pairs with vms_count_slowpath(). */
	smp_store_release(&vm->tally, tally);
}

/* KVM names a VM some time after vm_created(). */
static void vm_named(const struct kvm *kvm)
{
	struct diag_vm *vm;

	spin_lock(&vms_lock);
	vm = find(kvm);
	if (vm)
		add_tally(vm);
	spin_unlock(&vms_lock);
}

static void vm_destroyed(const struct kvm *kvm)
{
	struct diag_vm *vm;
	int cpu;

	spin_lock(&vms_lock);
	vm = find(kvm);
	if (vm) {
		hash_del_rcu(&vm->node);
		if (vm->seen && !vm->tally)
			unnamed--;
	}
	spin_unlock(&vms_lock);
	if (!vm)
		return;

	/*
	 * The VM has no vCPU left, so no CPU can cache it again. A CPU that caches another
	 * VM during this loop may lose that entry, and then looks that VM up once more.
	 */
	for_each_possible_cpu(cpu) {
		struct vms_cache *cache = per_cpu_ptr(vms_cache, cpu);

		if (READ_ONCE(cache->kvm) == kvm)
			WRITE_ONCE(cache->kvm, NULL);
	}
	if (vm->tally)
		tally_retire(vm->tally);
	/* A lookup of another VM may be at this entry. */
	kfree_rcu(vm, rcu);
}

static void vm_created(const struct kvm *kvm)
{
	if (!READ_ONCE(recording))
		return;
	/* A failed creation at the same address may have left its entry behind. */
	vm_destroyed(kvm);
	spin_lock(&vms_lock);
	if (unnamed < DIAG_VMS_UNNAMED && find_or_add(kvm, true))
		unnamed++;
	spin_unlock(&vms_lock);
}

bool vms_seen(const struct kvm *kvm)
{
	const struct diag_vm *vm;
	bool seen;

	rcu_read_lock();
	vm = find(kvm);
	seen = vm && vm->seen;
	rcu_read_unlock();
	return seen;
}

void vms_count_slowpath(const struct kvm *kvm, enum diag_outcome outcome)
{
	struct diag_counters *counters;
	struct diag_tally *tally;
	struct vms_cache *cache;
	struct diag_vm *vm;

	preempt_disable();
	cache = this_cpu_ptr(vms_cache);
	rcu_read_lock();
	vm = find(kvm);
	/* Acquires the counters as well; pairs with add_tally(). */
	tally = vm ? smp_load_acquire(&vm->tally) : NULL;
	if (!tally) {
		spin_lock(&vms_lock);
		vm = find_or_add(kvm, false);
		if (vm)
			add_tally(vm);
		tally = vm ? vm->tally : NULL;
		spin_unlock(&vms_lock);
	}
	counters = this_cpu_ptr(tally ? tally->counters : diag_unattributed);
	if (tally) {
		cache->counters = counters;
		cache->seen = vm->seen;
		WRITE_ONCE(cache->kvm, kvm);
	}
	/* As in vms_count_cached(). */
	data_race(counters->of[outcome]++);
	rcu_read_unlock();
	preempt_enable();
}

static struct vms_hooks hooked;

static void vm_event(unsigned long ip, unsigned long parent_ip,
		     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct kvm *kvm = (void *)compat_ftrace_arg0(fregs);

	if (ip == hooked.init_vm)
		vm_created(kvm);
	else if (ip == hooked.destroy_vm)
		vm_destroyed(kvm);
	else
		vm_named(kvm);
}

/* Permanent: the kernel refuses kernel.ftrace_enabled=0 instead of silently unhooking. */
static struct ftrace_ops vm_ops = {
	.func = vm_event,
	.flags = FTRACE_OPS_FL_PERMANENT | FTRACE_OPS_FL_RECURSION,
};

static void forget_all(void)
{
	struct hlist_node *tmp;
	struct diag_vm *vm;
	int bucket;

	spin_lock(&vms_lock);
	hash_for_each_safe(vms, bucket, tmp, vm, node) {
		hash_del_rcu(&vm->node);
		if (vm->tally)
			tally_retire(vm->tally);
		kfree_rcu(vm, rcu);
	}
	unnamed = 0;
	spin_unlock(&vms_lock);
}

/*
 * Resets the filter. ftrace_free_filter() would leave a pointer to the freed filter in
 * the ops, and the next registration would use it.
 */
static void drop_filter(void)
{
	ftrace_set_filter(&vm_ops, NULL, 0, 1);
}

int vms_start(const struct vms_hooks *hooks)
{
	unsigned long ips[] = { hooks->init_vm, hooks->destroy_vm, hooks->create_vm_debugfs };
	int rc;

	vms_cache = alloc_percpu(struct vms_cache);
	if (!vms_cache)
		return -ENOMEM;
	hooked = *hooks;
	rc = ftrace_set_filter_ips(&vm_ops, ips, ARRAY_SIZE(ips) - !ips[2], 0, 1);
	if (!rc)
		rc = register_ftrace_function(&vm_ops);
	if (rc) {
		drop_filter();
		free_percpu(vms_cache);
	}
	return rc;
}

void vms_record(void)
{
	WRITE_ONCE(recording, true);
}

int vms_stop(void)
{
	int rc = unregister_ftrace_function(&vm_ops);

	if (rc)
		return rc;
	drop_filter();
	WRITE_ONCE(recording, false);
	forget_all();
	free_percpu(vms_cache);
	return 0;
}
