// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of the VMs of this host. It records which of them the module has seen before
 * their first vCPU, and holds the counters of each VM.
 *
 * KVM does not notify modules about its VMs. A direct call therefore leads to
 * vms_vcpu_precreate() when KVM enters kvm_arch_vcpu_precreate(), and an ftrace callback
 * runs when KVM enters kvm_arch_destroy_vm(). A VM gets a vCPU only if its creation has
 * succeeded. KVM enters kvm_arch_destroy_vm() for every such VM, so each entry is removed
 * again. A VM older than the module gets its entry at its first intercept that is counted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/hashtable.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "counters.h"
#include "settings.h"
#include "vms.h"

struct vms_cache __percpu *vms_cache;

/**
 * struct diag_vm - the entry of a VM
 * @node: links the entry into the hash table vms
 * @kvm: the VM
 * @seen: the VM was recorded before its first vCPU
 * @tally: its counters
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

/*
 * Held for reading by a thread that creates a VM's first vCPU, while it may sleep here. An ioctl
 * of the device may sleep without it, because the open file pins the module.
 */
static DECLARE_RWSEM(adding);

/* KVM's own kvm_arch_vcpu_precreate(), at the address that follows the call site of ftrace. */
static int (*kvm_precreate)(struct kvm *kvm, unsigned int id);

/* Set by vms_prepare(). */
static unsigned int fast_code;
static bool fast_code_handled;

/* Called under vms_lock or RCU. An entry lives until its VM is destroyed. */
static struct diag_vm *find(const struct kvm *kvm)
{
	struct diag_vm *vm;

	hash_for_each_possible_rcu(vms, vm, node, (unsigned long)kvm, lockdep_is_held(&vms_lock))
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

static struct diag_vm *vm_create(const struct kvm *kvm, bool seen, gfp_t gfp)
{
	struct diag_vm *vm = kzalloc(sizeof(*vm), gfp);

	if (!vm)
		return NULL;
	vm->kvm = kvm;
	vm->seen = seen;
	vm->tally = tally_create(kvm->debugfs_dentry, gfp);
	if (!vm->tally) {
		kfree(vm);
		return NULL;
	}
	return vm;
}

/*
 * Adds @vm to the list and returns it. If the VM has an entry already, frees @vm and returns
 * that entry: two vCPUs of an older VM can have their first intercept at the same time.
 */
static struct diag_vm *insert(struct diag_vm *vm)
{
	struct diag_vm *other;

	spin_lock(&vms_lock);
	other = find(vm->kvm);
	if (!other)
		hash_add_rcu(vms, &vm->node, (unsigned long)vm->kvm);
	spin_unlock(&vms_lock);
	if (!other)
		return vm;
	tally_retire(vm->tally);
	kfree(vm);
	return other;
}

/*
 * Returns the entry of a VM that has no vCPU, or NULL when out of memory. Called with kvm->lock
 * held. The VM cannot be destroyed, because an ioctl holds its file open.
 *
 * May sleep to reclaim memory. The kernel reclaims only briefly (__GFP_NORETRY), because unloading
 * waits for a thread in vm_gets_first_vcpu(). The allocation is charged to the memory cgroup of the
 * caller.
 */
static struct diag_vm *record(const struct kvm *kvm)
{
	struct diag_vm *vm;

	rcu_read_lock();
	vm = find(kvm);
	rcu_read_unlock();
	/*
	 * There is an entry already if an earlier creation of the first vCPU has failed, or if
	 * something was set for the VM.
	 */
	if (vm)
		return vm;
	vm = vm_create(kvm, true, GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN);
	return vm ? insert(vm) : NULL;
}

static noinline void vm_gets_first_vcpu(const struct kvm *kvm)
{
	struct diag_vm *vm;

	down_read(&adding);
	vm = record(kvm);
	if (vm)
		settings_vm_has_vcpu(vm->tally->settings);
	else
		pr_warn_ratelimited("no memory to record VM %d: its intercepts count in the total only, and only 0x500 is claimed for it\n",
				    kvm->userspace_pid);
	up_read(&adding);
}

int vms_vcpu_precreate(struct kvm *kvm, unsigned int id)
{
	/* KVM holds kvm->lock here. No code of the guest has run before the first vCPU exists. */
	if (!kvm->created_vcpus)
		vm_gets_first_vcpu(kvm);
	return kvm_precreate(kvm, id);
}

static void vm_destroyed(const struct kvm *kvm)
{
	struct diag_vm *vm;
	int cpu;

	spin_lock(&vms_lock);
	vm = find(kvm);
	if (vm)
		hash_del_rcu(&vm->node);
	spin_unlock(&vms_lock);
	if (!vm)
		return;

	/*
	 * The VM has no vCPU left, so no CPU can cache it again. A CPU may cache another VM
	 * between the read and the write of its cache below. The write then removes that VM
	 * from the cache, and the next intercept on that CPU takes the slow path.
	 */
	for_each_possible_cpu(cpu) {
		struct vms_cache *cache = per_cpu_ptr(vms_cache, cpu);

		if (READ_ONCE(cache->kvm) == kvm)
			WRITE_ONCE(cache->kvm, NULL);
	}
	tally_retire(vm->tally);
	/* A lookup of another VM may be at this entry. */
	kfree_rcu(vm, rcu);
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

struct settings *vms_create_settings(struct kvm *kvm)
{
	struct settings *settings;
	struct diag_vm *vm;

	if (kvm->created_vcpus)
		return ERR_PTR(-EBUSY);
	vm = record(kvm);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	settings = vm->tally->settings;
	if (settings)
		return settings;
	settings = settings_create();
	if (!settings)
		return ERR_PTR(-ENOMEM);
	/* Readers of debugfs may look at it at once. */
	smp_store_release(&vm->tally->settings, settings);
	return settings;
}

static struct settings *settings_of(const struct diag_vm *vm)
{
	return READ_ONCE(vm->tally->settings);
}

struct settings *vms_settings(const struct kvm *kvm)
{
	struct settings *settings = NULL;
	const struct diag_vm *vm;

	rcu_read_lock();
	vm = find(kvm);
	if (vm)
		settings = settings_of(vm);
	rcu_read_unlock();
	return settings;
}

/*
 * The answer never changes from true to false, because a setting to the kernel does not end while
 * the VM has a vCPU.
 */
static bool is_cacheable(const struct diag_vm *vm)
{
	const struct settings *settings = settings_of(vm);
	unsigned int action = settings ? settings_get(settings, fast_code) : 0;

	return action ? action == KVM_S390_DIAG_TO_KERNEL : fast_code_handled;
}

/*
 * Must not sleep: a vCPU that slept here would defeat detaching. If there is no memory, the
 * next intercept tries again.
 */
static struct diag_vm *find_or_add(const struct kvm *kvm)
{
	struct diag_vm *vm = find(kvm);

	if (vm)
		return vm;
	vm = vm_create(kvm, false, GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN);
	return vm ? insert(vm) : NULL;
}

void vms_count_slowpath(const struct kvm *kvm, enum diag_outcome outcome)
{
	struct diag_counters *counters;
	struct vms_cache *cache;
	struct diag_vm *vm;

	preempt_disable();
	cache = this_cpu_ptr(vms_cache);
	rcu_read_lock();
	vm = find_or_add(kvm);
	counters = this_cpu_ptr(vm ? vm->tally->counters : diag_unattributed);
	if (vm && is_cacheable(vm)) {
		cache->counters = counters;
		cache->seen = vm->seen;
		cache->has_settings = settings_of(vm);
		WRITE_ONCE(cache->kvm, kvm);
	}
	vms_count(counters, outcome);
	rcu_read_unlock();
	preempt_enable();
}

static void destroy_vm(unsigned long ip, unsigned long parent_ip,
		       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	vm_destroyed((void *)compat_ftrace_arg0(fregs));
}

/* Permanent: the kernel refuses kernel.ftrace_enabled=0 instead of silently unhooking. */
static struct ftrace_ops destroy_ops = {
	.func = destroy_vm,
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
		tally_retire(vm->tally);
		kfree_rcu(vm, rcu);
	}
	spin_unlock(&vms_lock);
}

/*
 * Resets the filter. ftrace_free_filter() would leave a pointer to the freed filter in
 * the ops, and the next registration would use it.
 */
static void drop_filter(void)
{
	ftrace_set_filter(&destroy_ops, NULL, 0, 1);
}

void vms_prepare(unsigned int code, bool handled)
{
	fast_code = code;
	fast_code_handled = handled;
}

int vms_start(const struct vms_hooks *hooks)
{
	int rc;

	vms_cache = alloc_percpu(struct vms_cache);
	if (!vms_cache)
		return -ENOMEM;
	kvm_precreate = hooks->vcpu_precreate;
	rc = ftrace_set_filter_ip(&destroy_ops, hooks->destroy_vm, 0, 1);
	if (!rc)
		rc = register_ftrace_function(&destroy_ops);
	if (rc) {
		drop_filter();
		free_percpu(vms_cache);
	}
	return rc;
}

void vms_wait(void)
{
	down_write(&adding);
	up_write(&adding);
}

int vms_stop(void)
{
	int rc = unregister_ftrace_function(&destroy_ops);

	if (rc)
		return rc;
	drop_filter();
	forget_all();
	free_percpu(vms_cache);
	return 0;
}
