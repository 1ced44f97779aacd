/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-ins for what diag.c uses of the kernel, of KVM and of the module's other files.
 */
#ifndef TAILJUMP_KERNEL_H
#define TAILJUMP_KERNEL_H

#define noinline		__attribute__((__noinline__))
#define __alias(symbol)		__attribute__((__alias__(#symbol)))
#define __cold			__attribute__((__cold__))
#define __maybe_unused		__attribute__((__unused__))
#define __noreturn		__attribute__((__noreturn__))
#define __ro_after_init		__attribute__((__section__(".data..ro_after_init")))
#define unlikely(x)		__builtin_expect(!!(x), 0)

static inline void barrier(void)
{
	asm volatile("" : : : "memory");
}

/* A jump that is not taken. */
static inline void serialize(void)
{
	asm volatile("bcr 15,0" : : : "memory");
}

struct kvm_vcpu {
	void *kvm;
	unsigned long counts[8];
	unsigned int code;
};

typedef int (*handler_t)(struct kvm_vcpu *vcpu);

extern void *cached __attribute__((__visibility__("hidden")));
extern int (*hook)(struct kvm_vcpu *vcpu);

int claim_for_vm(void *kvm, unsigned int code);
void vms_count_slowpath(void *kvm, int outcome);
void trace_event(struct kvm_vcpu *vcpu, unsigned int code, long result, int outcome);
void trace_kvm(struct kvm_vcpu *vcpu, unsigned int code);
int virtio_ccw_notify(struct kvm_vcpu *vcpu);

void give_away(void *function);
int call(struct kvm_vcpu *vcpu, handler_t handler);
void peek(unsigned int *code);
void __cold report(struct kvm_vcpu *vcpu);
void __noreturn die(void);

void diag_prepare(handler_t handler);
int diag_intercept(struct kvm_vcpu *vcpu);

#endif /* TAILJUMP_KERNEL_H */
