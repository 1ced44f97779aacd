// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMs there are, which of them were created while the module was attached,
 * and where their intercepts are counted.
 *
 * KVM tells modules nothing of this, so ftrace tells it: when KVM enters
 * kvm_arch_init_vm(), kvm_arch_create_vm_debugfs() and kvm_arch_destroy_vm(). An
 * initialisation that fails leaves an entry behind, until there is another VM at
 * the same address. VMs that were there before get theirs at their first
 * intercept.
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
#include "diag.h"

struct diag_cpu __percpu *diag_cpus;

/**
 * struct diag_vm - a VM
 * @node: in the bucket of @kvm in vms
 * @kvm: the VM
 * @seen: it was created while the module was attached
 * @tally: its counters; NULL until there is memory for them, then never changes
 * @rcu: frees this after a grace period
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

/* Entries of vm_created() that have no tally yet; under vms_lock. */
static unsigned int unnamed;

/* Set once DIAGNOSE is attached: what is created before does not count as seen. */
static bool recording;

/* Under vms_lock or RCU. The entry of a VM stays for as long as the VM. */
static struct diag_vm *find(const struct kvm *kvm)
{
	struct diag_vm *vm;

	hash_for_each_possible_rcu(vms, vm, node, (unsigned long)kvm, lockdep_is_held(&vms_lock))
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

/*
 * ftrace may call for these with preemption off, vCPUs do, and no thread may
 * sleep on its way through this module: so nothing here sleeps.
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
	/* KVM leaves an error there when it has no directory for the VM. */
	if (!IS_ERR_OR_NULL(dir))
		tally_show(tally, dir);
	if (vm->seen)
		unnamed--;
	/* Pairs with vms_count(). */
	smp_store_release(&vm->tally, tally);
}

/* Later than vm_created(): only now the VM has its name. */
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
	 * No vCPU of the VM is left that could make a CPU know it again. A CPU that
	 * comes to know another VM meanwhile may forget that one, and looks it up
	 * once more.
	 */
	for_each_possible_cpu(cpu) {
		struct diag_cpu *knows = per_cpu_ptr(diag_cpus, cpu);

		if (READ_ONCE(knows->kvm) == kvm)
			WRITE_ONCE(knows->kvm, NULL);
	}
	if (vm->tally)
		tally_retire(vm->tally);
	/* Other VMs may be looked up past it. */
	kfree_rcu(vm, rcu);
}

static void vm_created(const struct kvm *kvm)
{
	if (!READ_ONCE(recording))
		return;
	/* What an initialisation has left behind that had failed. */
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

void vms_count(const struct kvm *kvm, enum diag_outcome outcome)
{
	struct diag_counters *counters;
	struct diag_tally *tally;
	struct diag_cpu *cpu;
	struct diag_vm *vm;

	preempt_disable();
	cpu = this_cpu_ptr(diag_cpus);
	rcu_read_lock();
	vm = find(kvm);
	/* With the counters that it points to; pairs with add_tally(). */
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
		cpu->counters = counters;
		cpu->seen = vm->seen;
		WRITE_ONCE(cpu->kvm, kvm);
	}
	/* As in diag_count_known(). */
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

/* Permanent: kernel.ftrace_enabled=0 is refused instead of silently unhooking. */
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
 * Back to no filter at all. ftrace_free_filter() would leave the freed one in
 * the ops, for the next registration to trip over.
 */
static void drop_filter(void)
{
	ftrace_set_filter(&vm_ops, NULL, 0, 1);
}

int vms_start(const struct vms_hooks *hooks)
{
	unsigned long ips[] = { hooks->init_vm, hooks->destroy_vm, hooks->create_vm_debugfs };
	int rc;

	diag_cpus = alloc_percpu(struct diag_cpu);
	if (!diag_cpus)
		return -ENOMEM;
	hooked = *hooks;
	rc = ftrace_set_filter_ips(&vm_ops, ips, ARRAY_SIZE(ips) - !ips[2], 0, 1);
	if (!rc)
		rc = register_ftrace_function(&vm_ops);
	if (rc) {
		drop_filter();
		free_percpu(diag_cpus);
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
	free_percpu(diag_cpus);
	return 0;
}
