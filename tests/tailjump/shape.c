// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code like that of diag.c, for tests of the tail-jump check. Each variant is a macro
 * that tests/tailjump/run defines.
 */
#include "kernel.h"

#ifdef GLOBAL
handler_t kvm_handler;
#else
static handler_t kvm_handler __ro_after_init;
#endif

void diag_prepare(handler_t handler)
{
	kvm_handler = handler;
}

#ifdef NO_HANDLER
#define kvm_handler(vcpu) (-1)
#endif

/* Like a static branch. The kernel replaces the nop by a jump. */
static inline int traced(void)
{
	asm goto("brcl 0,%l[yes]" : : : : yes);
	return 0;
yes:
	return 1;
}

/* A separate function that tail-calls the handler. */
static noinline __maybe_unused int enter(struct kvm_vcpu *vcpu)
{
	barrier();
	return kvm_handler(vcpu);
}

/* The first return is a conditional jump. */
static noinline void note(struct kvm_vcpu *vcpu)
{
	if (!cached)
		return;
	vms_count_slowpath(vcpu->kvm, 0);
	barrier();
}

/* Cannot reach the handler, except in some of the variants. */
static noinline void account(struct kvm_vcpu *vcpu, unsigned int code, long result, int outcome)
{
	if (unlikely(!vcpu->code))
		die();
	serialize();
	note(vcpu);
	if (vcpu->kvm == cached)
		vcpu->counts[outcome]++;
	else
		vms_count_slowpath(vcpu->kvm, outcome);
#if defined(CALL_BELOW_ACCOUNT)
	enter(vcpu);
	barrier();
#elif defined(OTHER_POINTER)
	hook(vcpu);
#endif
	if (traced())
		trace_event(vcpu, code, result, outcome);
}

static noinline int leave_slowpath(struct kvm_vcpu *vcpu, unsigned int code, int outcome)
{
#if defined(READ_EARLY)
	handler_t handler = kvm_handler;

	account(vcpu, code, 0, outcome);
	return handler(vcpu);
#elif defined(CALL)
	int rc = kvm_handler(vcpu);

	account(vcpu, code, rc, outcome);
	return rc;
#elif defined(CALL_FOURTH)
	int rc = enter(vcpu);

	account(vcpu, code, rc, outcome);
	return rc;
#elif defined(FOURTH)
	account(vcpu, code, 0, outcome);
	return enter(vcpu);
#elif defined(LOCAL_ESCAPES)
	peek(&code);
	return kvm_handler(vcpu);
#elif defined(GIVE_HANDLER)
	account(vcpu, code, 0, outcome);
	return call(vcpu, kvm_handler);
#elif defined(COMPUTED)
	return ((handler_t)((unsigned long)kvm_handler ^ outcome))(vcpu);
#elif defined(CALL_IN_ASM)
	/* Does not declare that %r14 is overwritten. */
	if (outcome == 3)
		asm volatile("brasl %%r14,trace_kvm" : : : "r0", "r1", "r2", "r3", "r4", "r5");
	return kvm_handler(vcpu);
#elif defined(STACK_IN_ASM)
	asm volatile("aghi %%r15,-160" : : : "memory");
	return kvm_handler(vcpu);
#elif defined(JUMP_IN_ASM)
	account(vcpu, code, 0, outcome);
	asm volatile("larl %%r14,0f\n"
		     "lgrl %%r1,%0\n"
		     "br %%r1\n"
		     "0:" : : "i" (&kvm_handler) : "r1", "r14", "memory");
	return vcpu->code;
#elif defined(NO_END)
	asm volatile("larl %r1,0");
	__builtin_unreachable();
#else
	account(vcpu, code, 0, outcome);
	return kvm_handler(vcpu);
#endif
}

/* gcc makes a clone of it, forward.constprop.0, for the only result in use. */
static noinline int forward(struct kvm_vcpu *vcpu, unsigned int code, long result)
{
	if (traced() || unlikely(vcpu->kvm != cached))
		account(vcpu, code, result, 1);
	else
		vcpu->counts[1]++;
	return result;
}

static noinline int dispatch_slowpath(struct kvm_vcpu *vcpu, unsigned int code)
{
	if (!claim_for_vm(vcpu->kvm, code))
		return leave_slowpath(vcpu, code, 2);
#ifdef GIVE_FUNCTION
	give_away(leave_slowpath);
#endif
#ifdef RECURSION
	if (code == 1)
		return diag_intercept(vcpu) + 1;
#endif
	trace_kvm(vcpu, code);
	return code == 0x500 ? virtio_ccw_notify(vcpu) : forward(vcpu, code, -95);
}

#ifdef CALL_BY_ALIAS
/* objdump shows the first of the two names. */
static int other_name(struct kvm_vcpu *vcpu, unsigned int code) __alias(dispatch_slowpath);
#endif

int diag_intercept(struct kvm_vcpu *vcpu)
{
	unsigned int code = vcpu->code;

#ifdef COLD
	if (unlikely(code == 0x1000)) {
		report(vcpu);
		return kvm_handler(vcpu);
	}
#endif
#ifdef CALL_IN_COLD
	if (unlikely(code == 0x1000)) {
		report(vcpu);
		code = leave_slowpath(vcpu, code, 3);
		barrier();
		return code;
	}
#endif
	if (code == 0x500 && !traced())
		return virtio_ccw_notify(vcpu);
	if (code > 0x500) {
		if (traced() || unlikely(vcpu->kvm != cached))
			return leave_slowpath(vcpu, code, 3);
		vcpu->counts[3]++;
		return kvm_handler(vcpu);
	}
#if defined(CALL_DISPATCH)
	code = dispatch_slowpath(vcpu, code);
	barrier();
	return code;
#elif defined(CALL_BY_ALIAS)
	code = other_name(vcpu, code);
	barrier();
	return code;
#else
	return dispatch_slowpath(vcpu, code);
#endif
}
