/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A made-up VM. It is zeroed memory, with everything that the handler and KVM's notify
 * bus access: one vCPU, SRCU, and a bus of real ioeventfd devices.
 *
 * Terms of the tests: a VM counts as seen if the module recorded it before its first vCPU. For
 * each CPU, the module records the last VM that had an intercept there: the CPU has cached that
 * VM. An intercept takes the slow path if its CPU has not cached the VM, if a trace event is
 * enabled, and in the other cases that Documentation/design.rst lists. Otherwise it takes the
 * fast path.
 */
#ifndef DIAG_TEST_VM_H
#define DIAG_TEST_VM_H

#include <kunit/test.h>
#include <linux/kvm_host.h>

#include "counters.h"
#include "diag.h"
#include "virtio_ccw_notify.h"
#include "vms.h"

/*
 * These macros set the amount of testing. The build can define other values. Module parameters
 * would come too late: KUnit runs the suites of a module before the module's parameters are
 * parsed.
 */
#ifndef TEST_STATES
#define TEST_STATES	500000		/* random vCPU states to compare */
#endif
#ifndef TEST_IOCTLS
#define TEST_IOCTLS	1000000		/* ioctls with random bytes */
#endif
#ifndef TEST_BUSES
#define TEST_BUSES	500		/* of these; each holds a file descriptor to the end */
#endif
#ifndef TEST_VMS
#define TEST_VMS	5000		/* VMs at the same time */
#endif
#ifndef TEST_CYCLES
#define TEST_CYCLES	100		/* attaching and detaching; RCU takes 0.1 s each */
#endif
#ifndef TEST_RACES
#define TEST_RACES	50		/* attaching and detaching while vCPUs notify */
#endif
#ifndef TEST_SEED
#define TEST_SEED	0ULL		/* seed of the states; 0: a new seed each time */
#endif

/* Two neighbours in subchannel set 0, and one that differs only in the set. */
#define SCHID_A		0x00010005U
#define SCHID_B		0x00010006U
#define SCHID_A_SET1	0x00030005U

#define DIAG_IPA	0x8300U

/**
 * struct test_vm - a made-up VM
 * @kvm: the VM; it is not in KVM's list of VMs
 * @vcpu: its only vCPU
 * @fd: the eventfd of each queue that has none of its own
 */
struct test_vm {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;
	int fd;
};

/* Returns the address of a symbol that is not exported; 0 if the kernel does not have it. */
unsigned long test_symbol(const char *name);

int test_eventfd(struct kunit *test);
u64 test_eventfd_take(int fd);

/* Creates a VM. It is freed at the end of the test, with its eventfd. */
struct test_vm *test_vm_create(struct kunit *test);

/* Register and unregister queues by kvm_ioeventfd(). A negative fd means the VM's eventfd. */
int test_assign(struct test_vm *vm, u32 schid, int len, u64 queue, int fd);
int test_assign_wildcard(struct test_vm *vm, u32 schid, int len);
int test_deassign(struct test_vm *vm, u32 schid, int len, u64 queue, int fd);

/* Registers a device of the test on the bus. The device's destructor frees it. */
void test_register(struct kunit *test, struct test_vm *vm, u32 schid, int len,
		   struct kvm_io_device *dev);

static inline struct kvm_io_bus *test_bus(struct test_vm *vm)
{
	return rcu_dereference_protected(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], 1);
}

/* Sets each general register to a different value, then sets these four. */
void test_set_gprs(struct test_vm *vm, u64 r1, u64 r2, u64 r3, u64 r4);

/* Sets the intercepted instruction in the SIE block. */
void test_set_insn(struct test_vm *vm, u8 b2, u16 d2);

/* Calls a handler as KVM does, with kvm->srcu held. */
int test_call(struct test_vm *vm, int (*handler)(struct kvm_vcpu *vcpu));

/* Return the module's count of one outcome, and of all outcomes. The counters must exist. */
u64 test_counted(enum diag_outcome outcome);
u64 test_counted_all(void);

/*
 * Start and stop the counters and the hooks on VMs. The handler is not attached. test_vm_dies()
 * destroys a VM: it stands in for kvm_arch_destroy_vm().
 */
int test_start(void);
int test_start_vms(void);
void test_stop(void);
void test_vm_dies(struct test_vm *vm);

/*
 * Enters kvm_arch_destroy_vm(), so that what is hooked there runs. The function itself would crash
 * with a made-up VM, so a kprobe makes it return at once between the start and the stop.
 */
int test_destroy_start(void);
void test_destroy_stop(void);
void test_vm_destroy(struct test_vm *vm);

/* Is this a VM that was seen, and that this CPU has cached? */
static inline bool test_cached(const struct kvm *kvm)
{
	const struct vms_cache *cache = get_cpu_ptr(vms_cache);
	bool cached = cache->kvm == kvm && cache->seen;

	put_cpu_ptr(vms_cache);
	return cached;
}

/* Counts an intercept on the fast path if the VM is cached, otherwise on the slow path. */
static inline void test_count(const struct kvm *kvm, enum diag_outcome outcome)
{
	const struct vms_cache *cache = get_cpu_ptr(vms_cache);
	bool cached = cache->kvm == kvm;

	if (cached)
		vms_count(cache->counters, outcome);
	put_cpu_ptr(vms_cache);
	if (!cached)
		vms_count_slowpath(kvm, outcome);
}

/* Attach and detach as insmod and rmmod do. test_claim() changes the default, claim=all. */
void test_claim(const char *list);
int test_attach(void);
void test_detach(void);
/*
 * Detaches. Returns the number of intercepts that were counted until the last vCPU had left the
 * module's code.
 */
u64 test_detach_counted(void);

/* Returns KVM's tracepoint kvm_s390_handle_diag. */
struct tracepoint *test_kvm_tracepoint(void);

/* Does what the module does before a vCPU of the VM is created. */
void test_see(struct test_vm *vm);

#endif /* DIAG_TEST_VM_H */
