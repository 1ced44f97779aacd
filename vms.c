// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMs were created while the module was attached.
 *
 * KVM tells modules nothing of this, so ftrace tells it: when KVM enters
 * kvm_arch_init_vm() and kvm_arch_destroy_vm(). An initialisation that fails
 * leaves an entry behind; the next VM at the same address takes it over.
 */
#include <linux/ftrace.h>
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "diag.h"

/* Written under vms_lock, read under RCU. */
struct hlist_head diag_vms[1 << DIAG_VMS_BITS];
static DEFINE_SPINLOCK(vms_lock);

/* Set once DIAGNOSE is attached: what is created before does not count as seen. */
static bool recording;

static struct diag_vm *find(const struct kvm *kvm)
{
	struct diag_vm *vm;

	lockdep_assert_held(&vms_lock);
	hash_for_each_possible(diag_vms, vm, node, (unsigned long)kvm)
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

/* ftrace may call these with preemption off, so nothing here sleeps. */
static void vm_created(const struct kvm *kvm)
{
	struct diag_vm *vm;

	if (!READ_ONCE(recording))
		return;
	vm = kmalloc(sizeof(*vm), GFP_NOWAIT | __GFP_NOWARN);
	if (!vm)
		return;
	vm->kvm = kvm;

	spin_lock(&vms_lock);
	if (!find(kvm)) {
		hash_add_rcu(diag_vms, &vm->node, (unsigned long)kvm);
		vm = NULL;
	}
	spin_unlock(&vms_lock);
	kfree(vm);
}

static void vm_destroyed(const struct kvm *kvm)
{
	struct diag_vm *vm;

	spin_lock(&vms_lock);
	vm = find(kvm);
	if (vm)
		hash_del_rcu(&vm->node);
	spin_unlock(&vms_lock);
	if (vm)
		kfree_rcu(vm, rcu);
}

static unsigned long init_ip;

static void vm_event(unsigned long ip, unsigned long parent_ip,
		     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct kvm *kvm = (void *)compat_ftrace_arg0(fregs);

	if (ip == init_ip)
		vm_created(kvm);
	else
		vm_destroyed(kvm);
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
	hash_for_each_safe(diag_vms, bucket, tmp, vm, node) {
		hash_del_rcu(&vm->node);
		kfree_rcu(vm, rcu);
	}
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

int vms_start(unsigned long init_vm, unsigned long destroy_vm)
{
	unsigned long ips[] = { init_vm, destroy_vm };
	int rc;

	init_ip = init_vm;
	rc = ftrace_set_filter_ips(&vm_ops, ips, ARRAY_SIZE(ips), 0, 1);
	if (!rc)
		rc = register_ftrace_function(&vm_ops);
	if (rc)
		drop_filter();
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
	return 0;
}
