// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that answers every DIAGNOSE of its guest, until SIGTERM. It sets all function codes of
 * its VM to userspace. At SIGTERM, the program prints how many DIAGNOSEs it has answered.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "diag_util.h"
#include "kvm_s390_diag.h"

#define SCHID	0x00010005U

static const uint16_t codes[] = { 0x500, 0x10, 0x44, 0x9c, 0x258, 0x308, 0x501 };

static volatile bool stop;

static void on_term(int sig)
{
	stop = true;
}

static void guest_unused(void)
{
}

/* Has the guest issue a DIAGNOSE with r1 = 4, answers it, and lets the guest continue. */
static void issue_and_answer(struct kvm_vcpu *vcpu, uint16_t code, uint64_t number)
{
	const uint64_t gprs[16] = { [1] = code == 0x500 ? 3 : 4, [2] = SCHID };

	vcpu_execute(vcpu, 0x83010000 | code, gprs, false);
	TEST_ASSERT(at_diagnose(vcpu, code), "0x%x does not reach the VMM", code);
	answer(vcpu, number);
	vcpu_run(vcpu);
	TEST_ASSERT(at_wait(vcpu, AT_DONE) && vcpu->run->s.regs.gprs[2] == number,
		    "0x%x: the guest does not get the answer", code);
}

int main(void)
{
	struct sigaction term = { .sa_handler = on_term };
	struct kvm_vm *vm = vm_create(1);
	struct kvm_s390_diag_range all_codes = {
		.vm_fd = vm->fd, .last = 0xffff, .action = KVM_S390_DIAG_TO_USERSPACE,
	};
	int device = open_path_or_exit("/dev/kvm-s390-diag", O_RDWR | O_CLOEXEC);
	struct kvm_vcpu *vcpu;
	uint64_t i;
	int fd;

	sigaction(SIGTERM, &term, NULL);
	TEST_ASSERT(!ioctl(device, KVM_S390_DIAG_SET, &all_codes), "KVM_S390_DIAG_SET: %s",
		    strerror(errno));
	vcpu = vm_vcpu_add(vm, 0, guest_unused);
	vcpu_enable_cap(vcpu, KVM_CAP_S390_CSS_SUPPORT, 0);
	fd = queue_add(vm, SCHID, 0, -1);
	for (i = 0; !stop; i++)
		issue_and_answer(vcpu, codes[i % ARRAY_SIZE(codes)], i);
	TEST_ASSERT(!eventfd_take(fd), "a notification did not reach the VMM");
	printf("answered %lu\n", i);
	return 0;
}
