/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests of kvm-s390-diag share on top of kvm_util: the module that
 * comes and goes, queues on the virtio-ccw notify bus, and a guest's hypercalls.
 */
#ifndef SELFTEST_DIAG_UTIL_H
#define SELFTEST_DIAG_UTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "kselftest.h"

#define MODULE_NAME	"kvm_s390_diag"

/* Interception codes, as in struct kvm_run. */
#define ICPT_INSTRUCTION	0x04
#define ICPT_WAIT		0x1c

#define PSW_MASK_DAT		0x0400000180000000UL
#define PSW_MASK_NO_DAT		0x0000000180000000UL
#define PSW_MASK_PROBLEM	0x0001000000000000UL
#define PSW_MASK_WAIT		0x0002000000000000UL

/* Places in the lowcore. */
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

/* What a guest gets in r2 where the test's userspace has answered a notification. */
#define ANSWERED_BY_USERSPACE	(-95)

/*
 * Guest: a notification. Returns r2, the cookie for the next one.
 */
static __always_inline int64_t guest_notify(uint64_t schid, uint64_t queue, int64_t cookie)
{
	register uint64_t r1 asm("1") = 3;
	register int64_t r2 asm("2") = schid;
	register uint64_t r3 asm("3") = queue;
	register int64_t r4 asm("4") = cookie;

	asm volatile("diag 2,4,0x500" : "+d" (r2) : "d" (r1), "d" (r3), "d" (r4) : "memory", "cc");
	return r2;
}

/* Guest: one of the older subcodes, with one parameter. */
static __always_inline int64_t guest_virtio_call(uint64_t subcode, uint64_t parameter)
{
	register uint64_t r1 asm("1") = subcode;
	register int64_t r2 asm("2") = parameter;

	asm volatile("diag 2,4,0x500" : "+d" (r2) : "d" (r1) : "memory", "cc");
	return r2;
}

/* The module, loaded with a parameter and unloaded; failure ends the test. */
void module_attach(const char *param);
void module_detach(void);
bool module_attached(void);
/* Sum of the module's counters whose name starts with prefix; 0 when not attached. */
uint64_t module_counted(const char *prefix);

/* Registers a queue with an eventfd, a new one where fd is negative; returns it. */
int queue_add(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd);
void queue_remove(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd);
/* All queues of the subchannel. */
int wildcard_add(struct kvm_vm *vm, uint32_t schid, int fd);
uint64_t eventfd_take(int fd);

/* VM with CSS support and one vCPU, which is to start at guest_code. */
struct kvm_vm *vm_create_css(struct kvm_vcpu **vcpu, void *guest_code);

/* Where vcpu_execute() has its instruction, and where the guest waits in the end. */
#define EXECUTE_AT		0xe00UL
#define AT_DONE			0xd0e0UL
#define AT_PGM			0xbad0UL

/*
 * Has the guest execute one instruction, without DAT and with these registers, and runs
 * until the exit: at the instruction, or in a wait at AT_DONE, or at AT_PGM when it has
 * come to a program interruption.
 */
void vcpu_execute(struct kvm_vcpu *vcpu, uint32_t insn, const uint64_t *gprs,
		  bool problem_state);
/* Has the vCPU exited in a disabled wait at this address? */
bool at_wait(struct kvm_vcpu *vcpu, uint64_t address);

/* Has the vCPU exited at a DIAGNOSE of this function code without a base? */
bool at_diagnose(struct kvm_vcpu *vcpu, uint16_t code);
/* Completes the DIAGNOSE that the vCPU has exited at. */
void answer(struct kvm_vcpu *vcpu, int64_t r2);

/* Runs until the guest's next ucall and answers notifications; returns how many. */
uint64_t run_to_ucall(struct kvm_vcpu *vcpu, struct ucall *uc);

uint64_t now_ns(void);

/* The plan comes last, for only then the number of tests is known. Returns the status. */
static inline int ksft_end(void)
{
	printf("1..%u\n", ksft_test_num());
	return ksft_get_fail_cnt() ? KSFT_FAIL : KSFT_PASS;
}

#endif /* SELFTEST_DIAG_UTIL_H */
