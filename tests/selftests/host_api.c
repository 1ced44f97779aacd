// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests the ioctls that Documentation/host-api.rst lists. Each ioctl
 * must behave as described, with KVM alone and with the module attached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "diag_util.h"

/* Offsets in the lowcore of fields that STORE STATUS fills. The status area is at 0x1200. */
#define LC_ARCHMODE	163
#define STATUS_AREA	0x1200
#define STATUS_GPRS	0x1280

#define PREFIX		0x100000UL
#define STATUS_AT	0x120000UL
#define PGM_NEW_AT	0xcafe0UL
#define RESTART_AT	0xbeef0UL
#define EMERGENCY_AT	0xfeed0UL

#define LC_RESTART_NEW_PSW	0x1a0

static const char *setting;

/* Reports one test; got is usually the return value of an ioctl or a negative errno. */
static void expect(const char *what, long got, long expected)
{
	ksft_test_result(got == expected, "%s: %s: %ld\n", setting, what, got);
}

static long value(int ret)
{
	return ret < 0 ? -errno : ret;
}

static void guest_code(void)
{
	uint64_t i;

	for (i = 0;; i++) {
		guest_notify(0x00010005, 0, 0);
		GUEST_SYNC(i);
	}
}

/* The test stores to the first of these pages. */
static uint8_t guest_pages[2][4096] __aligned(4096);

static void test_kvm(void)
{
	int kvm = open_kvm_dev_path_or_exit(), vm;

	expect("KVM_GET_API_VERSION", value(ioctl(kvm, KVM_GET_API_VERSION, 0)), 12);
	expect("KVM_S390_ENABLE_SIE", value(ioctl(kvm, KVM_S390_ENABLE_SIE, 0)), 0);
	expect("KVM_CHECK_EXTENSION of CSS support",
	       value(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_CSS_SUPPORT)), 1);
	expect("KVM_CHECK_EXTENSION of ioeventfds",
	       value(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD)), 1);
	expect("KVM_CHECK_EXTENSION of an unknown capability",
	       value(ioctl(kvm, KVM_CHECK_EXTENSION, 9999)), 0);
	expect("KVM_GET_VCPU_MMAP_SIZE", value(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)), 4096);
	expect("KVM_GET_VCPU_MMAP_SIZE with an argument",
	       value(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 1)), -EINVAL);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	expect("KVM_CREATE_VM", vm >= 0, true);
	close(vm);
	close(kvm);
}

static long set_region(int vm, int slot, uint64_t gpa, uint64_t size, void *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return value(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

static void test_vm(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint64_t mb = 1 << 20;
	uint8_t *memory = mmap(NULL, 4 * mb, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
	int vcpu;

	TEST_ASSERT(memory != MAP_FAILED, "mmap: %s", strerror(errno));
	memory += -(uintptr_t)memory & (mb - 1);
	expect("KVM_SET_USER_MEMORY_REGION", set_region(vm->fd, 0, 0, mb, memory), 0);
	/* KVM once supported only one slot, at address 0. */
	expect("KVM_SET_USER_MEMORY_REGION of a second slot, not adjacent",
	       set_region(vm->fd, 1, 16 * mb, mb, memory + mb), 0);
	/* KVM with page tables of its own for guests takes any page. */
	expect("KVM_SET_USER_MEMORY_REGION that begins within a segment",
	       set_region(vm->fd, 2, 32 * mb, mb, memory + 2 * mb + 4096),
	       access("/proc/sys/vm/allocate_pgste", F_OK) ? 0 : -EINVAL);
	vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	expect("KVM_CREATE_VCPU", vcpu >= 0, true);
	expect("KVM_CREATE_VCPU of an existing number", value(ioctl(vm->fd, KVM_CREATE_VCPU, 0)),
	       -EEXIST);
	close(vcpu);
	kvm_vm_free(vm);
}

/*
 * Lets KVM store to a page of the guest. The guest's own first store to a page can fail
 * in the emulator: see wrap.c.
 */
static long store_to(struct kvm_vcpu *vcpu, void *guest_page)
{
	uint64_t value_stored = 1;
	struct kvm_s390_mem_op op = {
		.gaddr = (uintptr_t)guest_page,
		.size = sizeof(value_stored),
		.op = KVM_S390_MEMOP_LOGICAL_WRITE,
		.buf = (uintptr_t)&value_stored,
	};

	return value(ioctl(vcpu->fd, KVM_S390_MEM_OP, &op));
}

static void test_dirty_log(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	uint64_t pages = memslot2region(vm, 0)->region.memory_size / 4096;
	uint8_t *log = calloc(1, pages / 8 + 8);
	long dirty[2];
	struct ucall uc;
	uint64_t page;
	int i;

	/* KVM reads the PSW, and with it whether DAT is on, only when the vCPU runs. */
	run_to_ucall(vcpu, &uc);
	vm_mem_region_set_flags(vm, 0, KVM_MEM_LOG_DIRTY_PAGES);
	kvm_vm_get_dirty_log(vm, 0, log);
	memset(log, 0, pages / 8 + 8);
	expect("KVM_S390_MEM_OP: a page is stored to", store_to(vcpu, guest_pages[0]), 0);
	kvm_vm_get_dirty_log(vm, 0, log);
	for (i = 0; i < 2; i++) {
		page = addr_gva2gpa(vm, (vm_vaddr_t)guest_pages[i]) / 4096;
		/* Within each byte, the rightmost bit stands for the lowest page. */
		dirty[i] = log[page / 8] >> page % 8 & 1;
	}
	expect("KVM_GET_DIRTY_LOG: the page with the store is dirty", dirty[0], 1);
	expect("KVM_GET_DIRTY_LOG: the other page is clean", dirty[1], 0);
	free(log);
	kvm_vm_free(vm);
}

static long inject(int fd, uint64_t type, uint32_t parm, uint64_t parm64)
{
	struct kvm_s390_interrupt interrupt = { .type = type, .parm = parm, .parm64 = parm64 };

	return value(ioctl(fd, KVM_S390_INTERRUPT, &interrupt));
}

static void test_floating_interrupts(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);

	expect("KVM_S390_INTERRUPT, floating: virtio",
	       inject(vm->fd, KVM_S390_INT_VIRTIO, 0, 0x1000), 0);
	expect("KVM_S390_INTERRUPT, floating: service",
	       inject(vm->fd, KVM_S390_INT_SERVICE, 0x1000, 0), 0);
	expect("KVM_S390_INTERRUPT, floating: a program interruption is refused",
	       inject(vm->fd, KVM_S390_PROGRAM_INT, 1, 0), -EINVAL);
	expect("KVM_S390_INTERRUPT, floating: an emergency signal is refused",
	       inject(vm->fd, KVM_S390_INT_EMERGENCY, 0, 0), -EINVAL);
	expect("KVM_S390_INTERRUPT, of a CPU: virtio is refused",
	       inject(vcpu->fd, KVM_S390_INT_VIRTIO, 0, 0x1000), -EINVAL);
	expect("KVM_S390_INTERRUPT, of a CPU: service is refused",
	       inject(vcpu->fd, KVM_S390_INT_SERVICE, 0x1000, 0), -EINVAL);
	kvm_vm_free(vm);
}

/*
 * Sets one of the new PSWs in the lowcore to a disabled wait. Its address shows which
 * interruption was taken.
 */
static void set_new_psw(struct kvm_vm *vm, uint64_t at, uint64_t address)
{
	const struct psw psw = { PSW_MASK_NO_DAT | PSW_MASK_WAIT, address };

	memcpy(addr_gpa2hva(vm, at), &psw, sizeof(psw));
}

static long run_to_wait(struct kvm_vcpu *vcpu)
{
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_S390_SIEIC ||
	    vcpu->run->s390_sieic.icptcode != ICPT_WAIT)
		return -1;
	return vcpu->run->psw_addr;
}

static void test_cpu_interrupts(void)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_OPERATING };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	struct kvm_sregs sregs;
	uint16_t code;

	set_new_psw(vm, LC_PGM_NEW_PSW, PGM_NEW_AT);
	set_new_psw(vm, LC_RESTART_NEW_PSW, RESTART_AT);
	set_new_psw(vm, LC_EXT_NEW_PSW, EMERGENCY_AT);

	expect("KVM_S390_INTERRUPT, of a CPU: program interruption",
	       inject(vcpu->fd, KVM_S390_PROGRAM_INT, 6, 0), 0);
	expect("KVM_RUN: the program interruption is taken", run_to_wait(vcpu), PGM_NEW_AT);
	memcpy(&code, addr_gpa2hva(vm, LC_PGM_CODE), sizeof(code));
	expect("KVM_RUN: the program interruption has the code that was injected", code, 6);

	expect("KVM_S390_INTERRUPT, of a CPU: restart", inject(vcpu->fd, KVM_S390_RESTART, 0, 0),
	       0);
	expect("KVM_RUN: the restart is taken", run_to_wait(vcpu), RESTART_AT);

	vcpu_sregs_get(vcpu, &sregs);
	/* Enable emergency signals. */
	sregs.crs[0] |= 0x4000;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu->run->psw_mask = PSW_MASK_NO_DAT | PSW_MASK_WAIT | 0x0100000000000000UL;
	expect("KVM_S390_INTERRUPT, of a CPU: emergency signal",
	       inject(vcpu->fd, KVM_S390_INT_EMERGENCY, 0, 0), 0);
	expect("KVM_RUN: the emergency signal is taken", run_to_wait(vcpu), EMERGENCY_AT);

	/*
	 * Setting the MP state puts userspace in charge of the CPU states. KVM sets the
	 * prefix only of a stopped CPU.
	 */
	vcpu_mp_state_set(vcpu, &state);
	expect("KVM_S390_INTERRUPT, of a CPU: set prefix is refused while it operates",
	       inject(vcpu->fd, KVM_S390_SIGP_SET_PREFIX, PREFIX, 0), -EBUSY);
	expect("KVM_S390_INTERRUPT, of a CPU: stop", inject(vcpu->fd, KVM_S390_SIGP_STOP, 0, 0),
	       0);
	vcpu->run->psw_mask = PSW_MASK_DAT;
	vcpu->run->psw_addr = (uintptr_t)guest_code;
	vcpu_run(vcpu);
	expect("KVM_RUN: it returns with a stop intercept",
	       vcpu->run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       vcpu->run->s390_sieic.icptcode == 0x28, true);
	kvm_vm_free(vm);
}

static void test_store_status(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	struct kvm_regs regs;
	uint8_t *memory = addr_gpa2hva(vm, 0);

	memset(&regs, 0x5a, sizeof(regs));
	vcpu_regs_set(vcpu, &regs);
	expect("KVM_S390_STORE_STATUS, without an address",
	       value(ioctl(vcpu->fd, KVM_S390_STORE_STATUS, KVM_S390_STORE_STATUS_NOADDR)), 0);
	expect("KVM_S390_STORE_STATUS: the lowcore has the registers and the architecture mode",
	       !memcmp(memory + STATUS_GPRS, &regs, sizeof(regs)) && memory[LC_ARCHMODE] == 1,
	       true);
	memset(memory + STATUS_GPRS, 0, sizeof(regs));
	expect("KVM_S390_STORE_STATUS, prefixed",
	       value(ioctl(vcpu->fd, KVM_S390_STORE_STATUS, KVM_S390_STORE_STATUS_PREFIXED)), 0);
	/* The prefix is 0, so the prefix area is at address 0. */
	expect("KVM_S390_STORE_STATUS: the registers are in the prefix area",
	       !memcmp(memory + STATUS_GPRS, &regs, sizeof(regs)), true);
	expect("KVM_S390_STORE_STATUS, at an address",
	       value(ioctl(vcpu->fd, KVM_S390_STORE_STATUS, STATUS_AT)), 0);
	expect("KVM_S390_STORE_STATUS: the registers are at that address",
	       !memcmp(memory + STATUS_AT + STATUS_GPRS - STATUS_AREA, &regs, sizeof(regs)),
	       true);
	expect("KVM_S390_STORE_STATUS outside of memory",
	       value(ioctl(vcpu->fd, KVM_S390_STORE_STATUS, 1UL << 40)), -EFAULT);
	kvm_vm_free(vm);
}

static void test_registers(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	struct kvm_regs regs, regs_out;
	struct kvm_sregs sregs, sregs_out;
	struct kvm_fpu fpu, fpu_out;
	struct kvm_s390_psw psw = { .mask = PSW_MASK_DAT, .addr = (uintptr_t)guest_code };
	struct ucall uc;

	vcpu_regs_get(vcpu, &regs);
	regs.gprs[7] = 0x123456789abcdef0;
	vcpu_regs_set(vcpu, &regs);
	vcpu_regs_get(vcpu, &regs_out);
	expect("KVM_SET_REGS, KVM_GET_REGS", memcmp(&regs, &regs_out, sizeof(regs)), 0);
	vcpu_sregs_get(vcpu, &sregs);
	sregs.acrs[3] = 0x12345678;
	sregs.crs[11] = 0x1122334455667788;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_sregs_get(vcpu, &sregs_out);
	expect("KVM_SET_SREGS, KVM_GET_SREGS", memcmp(&sregs, &sregs_out, sizeof(sregs)), 0);
	vcpu_fpu_get(vcpu, &fpu);
	fpu.fprs[5] = 0x3ff0000000000000;
	vcpu_fpu_set(vcpu, &fpu);
	vcpu_fpu_get(vcpu, &fpu_out);
	expect("KVM_SET_FPU, KVM_GET_FPU", memcmp(&fpu, &fpu_out, sizeof(fpu)), 0);

	expect("KVM_RUN: an exit for a notification without a device, then a breakpoint",
	       run_to_ucall(vcpu, &uc), 1);
	expect("KVM_S390_SET_INITIAL_PSW of a CPU that operates",
	       value(ioctl(vcpu->fd, KVM_S390_SET_INITIAL_PSW, &psw)), -EBUSY);
	expect("KVM_S390_INITIAL_RESET", value(ioctl(vcpu->fd, KVM_S390_INITIAL_RESET, 0)), 0);
	vcpu_sregs_get(vcpu, &sregs_out);
	expect("KVM_S390_INITIAL_RESET: control register 0 is reset", sregs_out.crs[0], 0xe0);
	expect("KVM_S390_INITIAL_RESET: the PSW is reset",
	       vcpu->run->psw_addr | vcpu->run->psw_mask, 0);
	kvm_vm_free(vm);
}

static void test_initial_psw(void)
{
	struct kvm_mp_state stopped = { .mp_state = KVM_MP_STATE_STOPPED };
	struct kvm_mp_state operating = { .mp_state = KVM_MP_STATE_OPERATING };
	struct kvm_s390_psw psw = { .mask = PSW_MASK_DAT, .addr = (uintptr_t)guest_code };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	struct ucall uc;

	vcpu->run->psw_addr = 0;
	vcpu_mp_state_set(vcpu, &stopped);
	expect("KVM_S390_SET_INITIAL_PSW of a stopped CPU",
	       value(ioctl(vcpu->fd, KVM_S390_SET_INITIAL_PSW, &psw)), 0);
	vcpu_mp_state_set(vcpu, &operating);
	expect("KVM_RUN: the CPU starts at that PSW", run_to_ucall(vcpu, &uc), 1);
	kvm_vm_free(vm);
}

static void test_all(const char *what, const char *param)
{
	setting = what;
	if (param)
		module_attach(param);
	test_kvm();
	test_vm();
	test_dirty_log();
	test_floating_interrupts();
	test_cpu_interrupts();
	test_store_status();
	test_registers();
	test_initial_psw();
	if (param)
		module_detach();
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	test_all("KVM alone", NULL);
	test_all("claim=all", "claim=all");
	test_all("claim=0x500", "claim=0x500");
	return ksft_end();
}
