/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's trace event.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_s390_diag

#if !defined(KVM_S390_DIAG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KVM_S390_DIAG_TRACE_H

#include <linux/tracepoint.h>

#include "diag.h"

/* User space is told what the names in the print format stand for. */
TRACE_DEFINE_ENUM(DIAG_SERVED_COOKIE);
TRACE_DEFINE_ENUM(DIAG_SERVED_SEARCH);
TRACE_DEFINE_ENUM(DIAG_BUS_GONE);
TRACE_DEFINE_ENUM(DIAG_NO_DEVICE);
TRACE_DEFINE_ENUM(DIAG_NO_CSS);
TRACE_DEFINE_ENUM(DIAG_OTHER_SUBCODE);
TRACE_DEFINE_ENUM(DIAG_OTHER_CODE);
TRACE_DEFINE_ENUM(DIAG_LEFT_TO_KVM);
TRACE_DEFINE_ENUM(DIAG_PRIVILEGED);

/*
 * One for each DIAGNOSE intercept, once its outcome has been decided; so there are
 * as many for each outcome as are counted. The values are those that were used.
 * The registers are 0 where nothing read them: for codes other than 0x500, and for
 * what is left to KVM. The result is what the guest gets in r2, or the negative
 * errno that makes KVM go to user space; it is 0 for what is left to KVM, which has
 * yet to answer.
 */
TRACE_EVENT(kvm_s390_diag,
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
		/* The first half of the name that KVM gives the VM in debugfs. */
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
				       { DIAG_LEFT_TO_KVM, "left_to_kvm" },
				       { DIAG_PRIVILEGED, "privileged" }))
);

#endif /* KVM_S390_DIAG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
