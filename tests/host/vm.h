/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM with one vCPU on /dev/kvm, and the module beside it: what the programs
 * that run on the host share.
 */
#ifndef DIAG_HOST_VM_H
#define DIAG_HOST_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#define MODULE_NAME	"kvm_s390_diag"

#define GUEST_SIZE	0x100000UL
#define GUEST_CODE	0x10000UL
#define LC_PGM_CODE	0x8e
#define LC_PGM_OLD_PSW	0x150
#define LC_PGM_NEW_PSW	0x1d0
/* Reached by LPSWE with 12 bits of displacement and no base. */
#define DONE_PSW	0xf00

#define PSW_SUPERVISOR	0x0000000180000000UL
#define PSW_PROBLEM	0x0001000180000000UL
#define PSW_WAIT	0x0002000180000000UL
#define AT_DONE		0xd0e0UL
#define AT_PGM		0xbad0UL

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct psw {
	uint64_t mask, addr;
};

struct vm {
	int fd, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
};

/* What a loop of notifications does, see start_loop(). */
struct loop {
	uint32_t schid;
	uint64_t count;		/* of instructions */
	uint64_t queue;		/* of the first notification, after queue_change */
	uint64_t queue_change;	/* exclusive-ored to the queue before each */
	bool forget_cookie;	/* always as if it were the first time */
	uint32_t code;		/* the function code, 0x500 where it is 0 */
};

void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The module, loaded with a parameter and unloaded; failure ends the program. */
void attach(const char *param);
void detach(void);
/* Sum of the counters whose name starts with prefix; 0 when not attached. */
uint64_t counted(const char *prefix);

void vm_create(struct vm *vm, bool css);
void vm_destroy(struct vm *vm);
/* Another vCPU of the same VM, to be closed and unmapped by vcpu_destroy(). */
void vcpu_create(struct vm *vcpu, const struct vm *vm, unsigned long id);
void vcpu_destroy(struct vm *vcpu);
/* Registers a queue with an eventfd, a new one where fd is negative; returns it. */
int queue_add(struct vm *vm, uint32_t schid, uint64_t queue, int fd);
void queue_remove(struct vm *vm, uint32_t schid, uint64_t queue, int fd);
uint64_t eventfd_take(int fd);

/* Puts code into the guest, at an offset, and the PSW at it. */
void vm_start(struct vm *vm, unsigned long offset, const void *code, size_t size,
	      uint64_t psw_mask);
void vcpu_run(struct vm *vm);
bool at_wait(const struct vm *vm, uint64_t addr);
bool at_diagnose(const struct vm *vm);
/* r6 counts down, r7 up; a notification that exits expects r2 from userspace. */
void start_loop(struct vm *vm, unsigned long offset, const struct loop *loop);

uint64_t now_ns(void);

#endif /* DIAG_HOST_VM_H */
