/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM of zeroed memory with what the handler and KVM's notify bus touch: one
 * vCPU, srcu, and a bus of real ioeventfd devices.
 */
#ifndef DIAG_TEST_VM_H
#define DIAG_TEST_VM_H

#include <kunit/test.h>
#include <linux/kvm_host.h>

#include "diag.h"

/*
 * How much to test; given by the build, for KUnit runs the suites of a module
 * before the module's parameters are parsed.
 */
#ifndef TEST_STATES
#define TEST_STATES	1000000		/* random vCPU states to compare */
#endif
#ifndef TEST_CYCLES
#define TEST_CYCLES	1000		/* of attaching, 0.1 s each for RCU */
#endif
#ifndef TEST_RACES
#define TEST_RACES	50		/* of attaching while vCPUs notify */
#endif
#ifndef TEST_SEED
#define TEST_SEED	0ULL		/* of the states; 0: another one each time */
#endif

/* Two neighbours in subchannel set 0, and one that differs in the set only. */
#define SCHID_A		0x00010005U
#define SCHID_B		0x00010006U
#define SCHID_A_SET1	0x00030005U

#define DIAG_IPA	0x8300U

/**
 * struct test_vm - the VM
 * @kvm: the VM, not known to KVM
 * @vcpu: its only vCPU
 * @fd: the eventfd of all its queues that got none of their own
 */
struct test_vm {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;
	int fd;
};

/* Addresses of what is not exported; 0 where the kernel has no such symbol. */
unsigned long test_symbol(const char *name);

int test_eventfd(struct kunit *test);
u64 test_eventfd_take(int fd);

/* Freed with the test, eventfds included. */
struct test_vm *test_vm_create(struct kunit *test);

/* Through kvm_ioeventfd(), with the VM's eventfd where fd is negative. */
int test_assign(struct test_vm *vm, u32 schid, int len, u64 queue, int fd);
int test_assign_wildcard(struct test_vm *vm, u32 schid, int len);
int test_deassign(struct test_vm *vm, u32 schid, int len, u64 queue, int fd);

/* A device of the test's own on the bus, freed by its destructor. */
void test_register(struct kunit *test, struct test_vm *vm, u32 schid, int len,
		   struct kvm_io_device *dev);

static inline struct kvm_io_bus *test_bus(struct test_vm *vm)
{
	return rcu_dereference_protected(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], 1);
}

/* Registers: a different value in each, then these four. */
void test_set_gprs(struct test_vm *vm, u64 r1, u64 r2, u64 r3, u64 r4);

/* The intercepted instruction, as it stands in the SIE block. */
void test_set_insn(struct test_vm *vm, u8 b2, u16 d2);

/* Calls a handler as KVM does, with kvm->srcu held. */
int test_call(struct test_vm *vm, int (*handler)(struct kvm_vcpu *vcpu));

/* By the module's counters, which must exist: in all, and for one VM by its file. */
u64 test_counted(enum diag_outcome outcome);
u64 test_counted_all(void);

/* Counters and VMs, without anything attached; vm_dies() stands for KVM's. */
int test_start(void);
void test_stop(void);
void test_vm_dies(struct test_vm *vm);

/* The module attached, as by insmod and rmmod; with all codes claimed but by test_claim(). */
void test_claim(const char *list);
int test_attach(void);
void test_detach(void);
/* The same, and how many intercepts were counted until the last one had left. */
u64 test_detach_counted(void);

/* KVM's kvm_s390_handle_diag. */
struct tracepoint *test_kvm_tracepoint(void);

/* Makes the VM one that was created while the module was attached. */
void test_see(struct test_vm *vm);

#endif /* DIAG_TEST_VM_H */
