// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's trace event, and KVM's own event for DIAGNOSE. KVM fires its event in its
 * handler. For a DIAGNOSE that does not reach that handler, this file fires it.
 */
#include <linux/atomic.h>
#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "shortcut.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* KVM's tracepoint, or NULL. kvm.ko is pinned, so the tracepoint cannot go away. */
static struct tracepoint *kvm_tracepoint;

static void match(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "kvm_s390_handle_diag"))
		kvm_tracepoint = tp;
}

/* KVM does not export the tracepoint. A notifier gets the tracepoints of each module. */
static int match_module(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = ((struct tp_module *)data)->mod;
	unsigned int i;

	if (action == MODULE_STATE_COMING && !strcmp(mod->name, "kvm"))
		for (i = 0; i < mod->num_tracepoints; i++)
			match(tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]), NULL);
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = match_module,
};

/* The enable count of KVM's tracepoint. It is always 0 where KVM has no such tracepoint. */
static const atomic_t *kvm_count;

static bool enabled;

const atomic_t *trace_listeners;

/* The event can be enabled while the module is being loaded. */
static void set_listeners(void)
{
	static const atomic_t one = ATOMIC_INIT(1);
	static DEFINE_MUTEX(lock);

	mutex_lock(&lock);
	WRITE_ONCE(trace_listeners, enabled ? &one : kvm_count);
	mutex_unlock(&lock);
}

int trace_enabled(void)
{
	enabled = true;
	set_listeners();
	shortcut_block();
	return 0;
}

void trace_disabled(void)
{
	enabled = false;
	set_listeners();
	shortcut_unblock();
}

void trace_prepare(void)
{
	static const atomic_t zero = ATOMIC_INIT(0);

	kvm_tracepoint = NULL;
	if (!IS_MODULE(CONFIG_KVM))
		for_each_kernel_tracepoint(match, NULL);
	else if (!register_tracepoint_module_notifier(&module_notifier))
		unregister_tracepoint_module_notifier(&module_notifier);
	kvm_count = kvm_tracepoint ? &((struct static_key *)&kvm_tracepoint->key)->enabled : &zero;
	set_listeners();
}

/*
 * Does the same as the kernel's trace_*() macros. s390 has no static calls, so the
 * iterator of the tracepoint calls all probes.
 */
void trace_kvm(struct kvm_vcpu *vcpu, unsigned int code)
{
	int (*iterator)(void *data, struct kvm_vcpu *vcpu, u16 code);
	void __percpu *lock;

	if (!kvm_tracepoint || !static_key_enabled((struct static_key *)&kvm_tracepoint->key))
		return;
	iterator = kvm_tracepoint->iterator;
	lock = compat_probes_lock();
	iterator(NULL, vcpu, code);
	compat_probes_unlock(lock);
}
