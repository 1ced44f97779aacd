// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a VM whose guest issues the same list of DIAGNOSEs for each line on standard
 * input. Prints "vm <pid>-<fd>" when the VM exists, and "issued <number>" after each
 * list. Destroys the VM when the input ends.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "diag_util.h"

#define SCHID	0x00010005U

static const struct {
	uint16_t code;
	int times;
	uint64_t r1, r3, r4;
	bool problem_state;
} list[] = {
	{ .code = 0x500, .times = 3, .r1 = 3, .r3 = 0, .r4 = 0 },
	{ .code = 0x500, .times = 2, .r1 = 3, .r3 = 0, .r4 = -1 },
	{ .code = 0x500, .times = 4, .r1 = 3, .r3 = 7, .r4 = 0 },
	{ .code = 0x500, .times = 1, .r1 = 0 },
	{ .code = 0x500, .times = 1, .r1 = 4 },
	{ .code = 0x501, .times = 2 },
	{ .code = 0x288, .times = 3 },
	{ .code = 0x44, .times = 1 },
	/* A yield to this vCPU itself. */
	{ .code = 0x9c, .times = 2 },
	{ .code = 0x500, .times = 5, .problem_state = true },
};

static void guest_code(void)
{
}

static void issue(struct kvm_vcpu *vcpu, size_t i)
{
	const uint64_t gprs[16] = {
		[1] = list[i].r1, [2] = SCHID, [3] = list[i].r3, [4] = list[i].r4,
	};

	vcpu_execute(vcpu, 0x83000000 | list[i].code, gprs, list[i].problem_state);
	TEST_ASSERT(at_diagnose(vcpu, list[i].code) ||
		    at_wait(vcpu, list[i].problem_state ? AT_PGM : AT_DONE),
		    "0x%x: unexpected exit, reason %u", list[i].code, vcpu->run->exit_reason);
}

int main(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	char line[16];
	size_t i;
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	vm = vm_create_css(&vcpu, guest_code);
	queue_add(vm, SCHID, 0, -1);
	printf("vm %d-%d\n", getpid(), vm->fd);
	while (fgets(line, sizeof(line), stdin)) {
		int issued = 0;

		for (i = 0; i < ARRAY_SIZE(list); i++)
			for (n = 0; n < list[i].times; n++, issued++)
				issue(vcpu, i);
		printf("issued %d\n", issued);
	}
	kvm_vm_free(vm);
	return 0;
}
