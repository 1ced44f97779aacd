// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emulator support: bridges two gaps of Hercules, with which newer kernels run no guest.
 *
 * Hercules does not report the highest address of a guest's storage, and Linux then keeps
 * all ones in sclp.hamax. KVM adds 1 to it, so that a guest's storage may have 0 bytes at
 * most. This module sets sclp.hamax to the value for 4 TB.
 *
 * When a guest's access faults, Hercules does not report whether it was a store. KVM then
 * maps the page for reading, and protects it until the first store. Hercules reports that
 * store to the guest instead of the host. With this module KVM takes each fault for a store.
 */
#define pr_fmt(fmt) "emulator support: " fmt

#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <asm/sclp.h>

/* int kvm_s390_faultin_gfn(struct kvm_vcpu *vcpu, struct kvm *kvm, struct guest_fault *f) */
static int take_for_store(struct kprobe *kp, struct pt_regs *regs)
{
	*((bool *)regs->gprs[4] + WRITE_ATTEMPT) = true;
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "kvm:kvm_s390_faultin_gfn",
	.pre_handler = take_for_store,
};

static void remove_probe(void)
{
	if (!probe.addr)
		return;
	unregister_kprobe(&probe);
	/* For the next register_kprobe(), which takes a name or an address. */
	probe.addr = NULL;
	probe.flags = 0;
}

/* The function comes and goes with kvm.ko. */
static int watch_modules(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *module = data;

	if (strcmp(module->name, "kvm"))
		return NOTIFY_OK;
	if (action == MODULE_STATE_GOING)
		remove_probe();
	if (action == MODULE_STATE_LIVE && register_kprobe(&probe)) {
		pr_warn("there is no kprobe on %s\n", probe.symbol_name);
		probe.addr = NULL;
	}
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = watch_modules,
};

static int __init hercules_init(void)
{
	if (sclp.hamax == U64_MAX) {
		sclp.hamax = SZ_4T - 1;
		pr_info("sclp.hamax was all ones, and is now %#lx\n", sclp.hamax);
	}
	pr_info("KVM takes each fault of a guest for a store\n");
	return register_module_notifier(&module_notifier);
}
module_init(hercules_init);

static void __exit hercules_exit(void)
{
	unregister_module_notifier(&module_notifier);
	remove_probe();
}
module_exit(hercules_exit);

MODULE_DESCRIPTION("bridges two gaps of Hercules between KVM and its guests");
MODULE_LICENSE("GPL");
