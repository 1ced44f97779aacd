// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's trace event, and KVM's own one for DIAGNOSE, which KVM cannot fire
 * for what does not come to its handler.
 */
#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/preempt.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "diag.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* KVM's tracepoint; stays for as long as KVM, which stays for as long as this does. */
static struct tracepoint *kvm_tracepoint;

static void look_at(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "kvm_s390_handle_diag"))
		kvm_tracepoint = tp;
}

/* It is not exported, but each module's tracepoints are shown to notifiers. */
static int look_at_module(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = ((struct tp_module *)data)->mod;
	unsigned int i;

	if (action == MODULE_STATE_COMING && !strcmp(mod->name, "kvm"))
		for (i = 0; i < mod->num_tracepoints; i++)
			look_at(tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]), NULL);
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = look_at_module,
};

const atomic_t *trace_kvm_find(void)
{
	static const atomic_t never = ATOMIC_INIT(0);

	kvm_tracepoint = NULL;
	if (!IS_MODULE(CONFIG_KVM))
		for_each_kernel_tracepoint(look_at, NULL);
	else if (!register_tracepoint_module_notifier(&module_notifier))
		unregister_tracepoint_module_notifier(&module_notifier);
	return kvm_tracepoint ? &((struct static_key *)&kvm_tracepoint->key)->enabled : &never;
}

/*
 * As the kernel's own macros do it. On s390 no probe is called but by the
 * iterator, which looks at what is registered under RCU; to disable preemption
 * holds that.
 */
void trace_kvm(struct kvm_vcpu *vcpu, unsigned int code)
{
	int (*iterator)(void *data, struct kvm_vcpu *vcpu, u16 code);

	if (!kvm_tracepoint || !static_key_enabled((struct static_key *)&kvm_tracepoint->key))
		return;
	iterator = kvm_tracepoint->iterator;
	preempt_disable_notrace();
	iterator(NULL, vcpu, code);
	preempt_enable_notrace();
}
