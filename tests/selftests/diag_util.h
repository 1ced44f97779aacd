/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for the selftests of kvm-s390-diag, on top of kvm_util: loading and unloading
 * the module, queues on the virtio-ccw notify bus, and a guest's hypercalls.
 */
#ifndef SELFTEST_DIAG_UTIL_H
#define SELFTEST_DIAG_UTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "kselftest.h"

#define MODULE_NAME	"kvm_s390_diag"

/* Interception codes in struct kvm_run. */
#define ICPT_INSTRUCTION	0x04
#define ICPT_WAIT		0x1c

#define PSW_MASK_DAT		0x0400000180000000UL
#define PSW_MASK_NO_DAT		0x0000000180000000UL
#define PSW_MASK_PROBLEM	0x0001000000000000UL
#define PSW_MASK_WAIT		0x0002000000000000UL

/* Offsets in the lowcore. */
#define LC_PGM_CODE		0x8e
#define LC_EXT_CODE		0x86
#define LC_EXT_PARAMS2		0x11b8
#define LC_EXT_OLD_PSW		0x130
#define LC_PGM_OLD_PSW		0x150
#define LC_EXT_NEW_PSW		0x1b0
#define LC_PGM_NEW_PSW		0x1d0

#define PGM_PRIVILEGED		2
#define PGM_SPECIFICATION	6

struct psw {
	uint64_t mask, addr;
};

/* The value of r2 after a notification that the test program has answered. */
#define ANSWERED_BY_USERSPACE	(-95)

/* Guest code: issues a notification. Returns r2, the cookie for the next notification. */
static __always_inline int64_t guest_notify(uint64_t schid, uint64_t queue, int64_t cookie)
{
	register uint64_t r1 asm("1") = 3;
	register int64_t r2 asm("2") = schid;
	register uint64_t r3 asm("3") = queue;
	register int64_t r4 asm("4") = cookie;

	asm volatile("diag 2,4,0x500" : "+d" (r2) : "d" (r1), "d" (r3), "d" (r4) : "memory", "cc");
	return r2;
}

/* Guest code: issues one of the older subcodes (0 to 2) with one parameter. */
static __always_inline int64_t guest_virtio_call(uint64_t subcode, uint64_t parameter)
{
	register uint64_t r1 asm("1") = subcode;
	register int64_t r2 asm("2") = parameter;

	asm volatile("diag 2,4,0x500" : "+d" (r2) : "d" (r1) : "memory", "cc");
	return r2;
}

/* Load the module with a parameter, and unload it. A failure ends the test. */
void module_attach(const char *param);
void module_detach(void);
bool module_attached(void);
/* Returns the sum of the counters whose names start with prefix; 0 without the module. */
uint64_t module_counted(const char *prefix);
/*
 * Returns how many DIAGNOSEs KVM has counted, whoever has answered them. The codes are the end of
 * the names of KVM's counters, as a pattern.
 */
uint64_t kvm_counted(const char *codes);

/*
 * Returns how many DIAGNOSEs of the existing VMs were left to KVM, which counts all of them except
 * those in problem state. A VM that is older than the module must not have issued a DIAGNOSE
 * before. If there are such VMs, or VMs were destroyed, only the difference of two calls is right.
 */
uint64_t left_to_kvm(void);

/*
 * Registers a queue with an eventfd and returns the eventfd. If fd is negative, a new eventfd is
 * created.
 */
int queue_add(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd);
void queue_remove(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd);
/* Registers one eventfd for all queues of the subchannel; fd is as for queue_add(). */
int wildcard_add(struct kvm_vm *vm, uint32_t schid, int fd);
/* Returns the count of a non-blocking eventfd, and resets the count to 0. */
uint64_t eventfd_take(int fd);

/* Creates a VM with CSS support and one vCPU, which starts at guest_code. */
struct kvm_vm *vm_create_css(struct kvm_vcpu **vcpu, void *guest_code);

/* The address of vcpu_execute()'s instruction, and the addresses of the final waits. */
#define EXECUTE_AT		0xe00UL
#define AT_DONE			0xd0e0UL
#define AT_PGM			0xbad0UL

/*
 * Makes the guest execute one instruction, without DAT and with these general registers.
 * Runs the vCPU until it exits: at the instruction, in a wait at AT_DONE after the
 * instruction, or in a wait at AT_PGM after a program interruption.
 */
void vcpu_execute(struct kvm_vcpu *vcpu, uint32_t insn, const uint64_t *gprs,
		  bool problem_state);
/* Has the vCPU exited in a disabled wait at this address? */
bool at_wait(struct kvm_vcpu *vcpu, uint64_t address);

/* Has the vCPU exited at a DIAGNOSE with this function code and no base register? */
bool at_diagnose(struct kvm_vcpu *vcpu, uint16_t code);
/* Completes the DIAGNOSE at which the vCPU has exited, by setting r2. */
void answer(struct kvm_vcpu *vcpu, int64_t r2);

/* Runs the vCPU until the next ucall. Answers its notifications, and returns their number. */
uint64_t run_to_ucall(struct kvm_vcpu *vcpu, struct ucall *uc);

uint64_t now_ns(void);

/* Waits until a condition is true. Returns false if it is not true within 30 seconds. */
#define WAIT(condition)							\
({									\
	uint64_t limit = now_ns() + 30 * NSEC_PER_SEC;			\
	bool is;							\
									\
	while (!(is = (condition)) && now_ns() < limit)			\
		usleep(1000);						\
	is;								\
})

/* Writes a text to a file. A failure ends the test. */
void write_to(const char *path, const char *text);

/* Mounts the memory cgroups below this folder, unless they are mounted. */
#define CGROUPS		"/sys/fs/cgroup"
void cgroups_mount(void);

/* Prints the TAP plan at the end, when the number of tests is known. Returns the status. */
static inline int ksft_end(void)
{
	printf("1..%u\n", ksft_test_num());
	return ksft_get_fail_cnt() ? KSFT_FAIL : KSFT_PASS;
}

#endif /* SELFTEST_DIAG_UTIL_H */
