/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's trace event, and KVM's own event for DIAGNOSE.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_s390_diag

#if !defined(KVM_S390_DIAG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KVM_S390_DIAG_TRACE_H

#include <linux/kvm_host.h>
#include <linux/tracepoint.h>

#include "counters.h"

/**
 * trace_enabled - note that the module's event is enabled
 *
 * Called by the kernel when it enables the event. Every intercept then takes the slow path,
 * which fires the event.
 *
 * Return: 0.
 */
int trace_enabled(void);

/**
 * trace_disabled - note that the module's event is disabled
 *
 * Called by the kernel when it disables the event.
 */
void trace_disabled(void);

/* The print format of the event contains these names. Exports their values to userspace. */
TRACE_DEFINE_ENUM(DIAG_SERVED_COOKIE);
TRACE_DEFINE_ENUM(DIAG_SERVED_SEARCH);
TRACE_DEFINE_ENUM(DIAG_BUS_GONE);
TRACE_DEFINE_ENUM(DIAG_NO_DEVICE);
TRACE_DEFINE_ENUM(DIAG_NO_CSS);
TRACE_DEFINE_ENUM(DIAG_OTHER_SUBCODE);
TRACE_DEFINE_ENUM(DIAG_OTHER_CODE);
TRACE_DEFINE_ENUM(DIAG_REQUESTED);
TRACE_DEFINE_ENUM(DIAG_PRIVILEGED);
TRACE_DEFINE_ENUM(DIAG_LEFT_TO_KVM);

/*
 * Fired once for each DIAGNOSE intercept, when its outcome is decided. The fields hold
 * the values that the module used. The fields of registers are 0 if the module did not
 * read the registers: for function codes other than 0x500, for 0x500 that the VMM has set to
 * userspace, and for a DIAGNOSE that KVM's own handler answers. The result is the value that the
 * guest gets in r2, or -EOPNOTSUPP when the DIAGNOSE goes to userspace. For a DIAGNOSE that KVM's
 * own handler answers, the result is 0, because KVM has not answered yet.
 */
TRACE_EVENT_FN(kvm_s390_diag,
	    TP_PROTO(const struct kvm_vcpu *vcpu, unsigned int code, u64 subcode, u32 schid,
		     u64 queue, s64 cookie, s64 result, enum diag_outcome outcome),
	    TP_ARGS(vcpu, code, subcode, schid, queue, cookie, result, outcome),

	    TP_STRUCT__entry(
		__field(pid_t, vm)
		__field(int, vcpu)
		__field(u64, subcode)
		__field(u64, queue)
		__field(s64, cookie)
		__field(s64, result)
		__field(u32, schid)
		__field(u16, code)
		__field(u8, outcome)
	    ),

	    TP_fast_assign(
		/* The name of the VM in debugfs begins with this number. */
		__entry->vm = vcpu->kvm->userspace_pid;
		__entry->vcpu = vcpu->vcpu_id;
		__entry->subcode = subcode;
		__entry->queue = queue;
		__entry->cookie = cookie;
		__entry->result = result;
		__entry->schid = schid;
		__entry->code = code;
		__entry->outcome = outcome;
	    ),

	    TP_printk("vm %d vcpu %d code 0x%x subcode %llu schid 0x%08x queue %llu cookie %lld result %lld outcome %s",
		      __entry->vm, __entry->vcpu, __entry->code, __entry->subcode,
		      __entry->schid, __entry->queue, __entry->cookie, __entry->result,
		      __print_symbolic(__entry->outcome,
				       { DIAG_SERVED_COOKIE, "served_cookie" },
				       { DIAG_SERVED_SEARCH, "served_search" },
				       { DIAG_BUS_GONE, "bus_gone" },
				       { DIAG_NO_DEVICE, "forwarded_no_device" },
				       { DIAG_NO_CSS, "forwarded_no_css" },
				       { DIAG_OTHER_SUBCODE, "forwarded_other_subcode" },
				       { DIAG_OTHER_CODE, "forwarded_other_code" },
				       { DIAG_REQUESTED, "forwarded_requested" },
				       { DIAG_PRIVILEGED, "privileged" },
				       { DIAG_LEFT_TO_KVM, "left_to_kvm" })),

	    trace_enabled, trace_disabled
);

/*
 * Points to a word that is 0 while neither the module's event nor KVM's event for DIAGNOSE is
 * enabled. The fast path reads the word once. If it is not 0, the slow path fires the events.
 * Unless the module's event is enabled, the word is the enable count of the static key of
 * KVM's tracepoint. A static branch cannot be used: it refers to the key by its symbol, which
 * KVM does not export.
 */
extern const atomic_t *trace_listeners __attribute__((visibility("hidden")));

/**
 * trace_prepare - find KVM's tracepoint, and set trace_listeners
 *
 * May sleep.
 */
void trace_prepare(void);

/**
 * trace_kvm - fire KVM's tracepoint kvm_s390_handle_diag, if it is enabled
 * @vcpu: the vCPU that was intercepted
 * @code: the function code
 *
 * Called for a DIAGNOSE that does not reach KVM's handler, before it is answered. Does
 * not sleep.
 */
void trace_kvm(struct kvm_vcpu *vcpu, unsigned int code);

#endif /* KVM_S390_DIAG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
