// SPDX-License-Identifier: GPL-2.0-only
/* A VMM that answers every DIAGNOSE of its guest. The guest issues one DIAGNOSE 0x44. */
#include <err.h>
#include <fcntl.h>
#include <kvm_s390_diag.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* The memory of the guest: one segment, aligned to a segment. */
static uint32_t memory[1 << 18] __attribute__((aligned(1 << 20)));

int main(void)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = sizeof(memory), .userspace_addr = (uintptr_t)memory,
	};
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
	struct kvm_s390_diag_range all_codes = {
		.vm_fd = vm, .first = 0, .last = 0xffff, .action = KVM_S390_DIAG_TO_USERSPACE,
	};
	int diag = open("/dev/kvm-s390-diag", O_RDWR | O_CLOEXEC);
	struct kvm_run *run;
	int vcpu;

	if (diag < 0 || ioctl(diag, KVM_S390_DIAG_API, 0) != KVM_S390_DIAG_API_VERSION)
		err(1, "/dev/kvm-s390-diag");
	/* Before the first vCPU. The VMM keeps diag open as long as it runs the VM. */
	if (ioctl(diag, KVM_S390_DIAG_SET, &all_codes))
		err(1, "KVM_S390_DIAG_SET");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "/dev/kvm");
	memory[0x2000 / 4] = 0x83000044;
	run->psw_mask = 0x0000000180000000;	/* 64-bit addressing mode */
	run->psw_addr = 0x2000;
	if (ioctl(vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_S390_SIEIC ||
	    run->s390_sieic.icptcode != 4 || run->s390_sieic.ipa >> 8 != 0x83)
		errx(1, "KVM_RUN did not return at a DIAGNOSE");
	/* Without a base register, the function code is in the high half of ipb. */
	printf("the VMM answers DIAGNOSE 0x%x\n", run->s390_sieic.ipb >> 16);
	return 0;
}
