// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM whose guest notifies without end, queue 0 and queue 1 in turn; only the
 * former has an ioeventfd. After SIGTERM it says how many notifications there
 * were and where they went, and exits with 0 if none was lost.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>

#define MEMORY		0x100000UL
#define CODE		0x10000UL
#define PSW_64BIT	0x0000000180000000UL
#define SCHID		0x00010005U

static sig_atomic_t stop;

static void on_term(int sig)
{
	__atomic_store_n(&stop, sig, __ATOMIC_RELAXED);
}

static int xioctl(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(2, "%s", what);
	return ret;
}

int main(void)
{
	static const uint32_t code[] = {
		0xb9040028,	/* lgr r2,r8 */
		0xb9820039,	/* xgr r3,r9 */
		0x83000500,	/* diag 0,0,0x500 */
		0xb9040042,	/* lgr r4,r2 */
		0xa77b0001,	/* aghi r7,1 */
		0xa7f4fff6,	/* j back to the first */
	};
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_enable_cap css = { .cap = KVM_CAP_S390_CSS_SUPPORT };
	struct kvm_ioeventfd queue = {
		.addr = SCHID,
		.len = 8,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY,
	};
	struct sigaction term = { .sa_handler = on_term };
	uint64_t issued, events = 0, exits = 0;
	struct kvm_run *run;
	int kvm, vm, vcpu;
	uint8_t *memory;

	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0)
		err(2, "/dev/kvm");
	vm = xioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	vcpu = xioctl(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	xioctl(vcpu, KVM_ENABLE_CAP, &css, "KVM_CAP_S390_CSS_SUPPORT");
	run = mmap(NULL, xioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE"),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	/* Guest memory begins at a segment boundary. */
	memory = mmap(NULL, 2 * MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (run == MAP_FAILED || memory == MAP_FAILED)
		err(2, "mmap");
	memory += -(uintptr_t)memory & (MEMORY - 1);
	memcpy(memory + CODE, code, sizeof(code));
	region.userspace_addr = (uintptr_t)memory;
	xioctl(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	queue.fd = eventfd(0, EFD_NONBLOCK);
	xioctl(vm, KVM_IOEVENTFD, &queue, "KVM_IOEVENTFD");

	run->psw_mask = PSW_64BIT;
	run->psw_addr = CODE;
	run->s.regs.gprs[1] = 3;
	run->s.regs.gprs[3] = 1;
	run->s.regs.gprs[4] = -1;
	run->s.regs.gprs[7] = 0;
	run->s.regs.gprs[8] = SCHID;
	run->s.regs.gprs[9] = 1;
	sigaction(SIGTERM, &term, NULL);
	for (;;) {
		run->kvm_dirty_regs = KVM_SYNC_GPRS;
		/* A signal interrupts it between two instructions of the guest. */
		if (ioctl(vcpu, KVM_RUN, NULL) < 0)
			continue;
		if (run->exit_reason != KVM_EXIT_S390_SIEIC || run->s390_sieic.ipa >> 8 != 0x83)
			errx(2, "exit reason %u instead of DIAGNOSE", run->exit_reason);
		exits++;
		if (__atomic_load_n(&stop, __ATOMIC_RELAXED))
			break;
		run->s.regs.gprs[2] = 0;
	}

	/* It stands behind a DIAGNOSE that it has not counted yet. */
	issued = run->s.regs.gprs[7] + 1;
	if (read(queue.fd, &events, sizeof(events)) != sizeof(events))
		events = 0;
	printf("%" PRIu64 " notifications, %" PRIu64 " events, %" PRIu64 " exits\n",
	       issued, events, exits);
	return !(issued == events + exits && events && exits);
}
