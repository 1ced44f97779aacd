// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "diag_util.h"

#define MODULE_FILE	"kvm-s390-diag.ko"
#define COUNTERS	"/sys/kernel/debug/kvm/kvm-s390-diag/total"
#define KVM_COUNTERS	"/sys/kernel/debug/kvm/instruction_diagnose_"

void module_attach(const char *param)
{
	int fd = open_path_or_exit(MODULE_FILE, O_RDONLY);
	int ret = syscall(SYS_finit_module, fd, param, 0);

	TEST_ASSERT(!ret, "loading the module with '%s': %s", param, strerror(errno));
	close(fd);
}

void module_detach(void)
{
	TEST_ASSERT(!syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK),
		    "unloading the module: %s", strerror(errno));
}

bool module_attached(void)
{
	return !access("/sys/module/" MODULE_NAME, F_OK);
}

uint64_t module_counted(const char *prefix)
{
	FILE *f = fopen(COUNTERS, "r");
	uint64_t value, sum = 0;
	char name[64];

	if (!f)
		return 0;
	while (fscanf(f, "%63s %" SCNu64, name, &value) == 2)
		if (!strncmp(name, prefix, strlen(prefix)))
			sum += value;
	fclose(f);
	return sum;
}

uint64_t kvm_counted(const char *codes)
{
	uint64_t value, sum = 0;
	char pattern[128];
	glob_t found;
	size_t i;
	FILE *f;

	snprintf(pattern, sizeof(pattern), KVM_COUNTERS "%s", codes);
	TEST_ASSERT(!glob(pattern, 0, NULL, &found), "there is no %s", pattern);
	for (i = 0; i < found.gl_pathc; i++) {
		f = fopen(found.gl_pathv[i], "r");
		TEST_ASSERT(f && fscanf(f, "%" SCNu64, &value) == 1, "%s cannot be read",
			    found.gl_pathv[i]);
		fclose(f);
		sum += value;
	}
	globfree(&found);
	return sum;
}

uint64_t left_to_kvm(void)
{
	return kvm_counted("*") - (module_counted("") - module_counted("privileged"));
}

static int queue_change(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd, uint32_t flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = queue,
		.addr = schid,
		.len = 8,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY | flags,
	};

	if (fd < 0) {
		ioeventfd.fd = eventfd(0, EFD_NONBLOCK);
		TEST_ASSERT(ioeventfd.fd >= 0, "eventfd: %s", strerror(errno));
	}
	vm_ioctl(vm, KVM_IOEVENTFD, &ioeventfd);
	return ioeventfd.fd;
}

int queue_add(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd)
{
	return queue_change(vm, schid, queue, fd, KVM_IOEVENTFD_FLAG_DATAMATCH);
}

void queue_remove(struct kvm_vm *vm, uint32_t schid, uint64_t queue, int fd)
{
	queue_change(vm, schid, queue, fd,
		     KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

int wildcard_add(struct kvm_vm *vm, uint32_t schid, int fd)
{
	return queue_change(vm, schid, 0, fd, 0);
}

uint64_t eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

struct kvm_vm *vm_create_css(struct kvm_vcpu **vcpu, void *guest_code)
{
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_code);

	vcpu_enable_cap(*vcpu, KVM_CAP_S390_CSS_SUPPORT, 0);
	return vm;
}

void vcpu_execute(struct kvm_vcpu *vcpu, uint32_t insn, const uint64_t *gprs,
		  bool problem_state)
{
	/* The second instruction is LPSWE. Its operand is the PSW after it, at EXECUTE_AT + 8. */
	const struct {
		uint32_t insns[2];
		struct psw done;
	} code = {
		{ insn, 0xb2b20000 | (EXECUTE_AT + 8) },
		{ PSW_MASK_NO_DAT | PSW_MASK_WAIT, AT_DONE },
	};
	const struct psw pgm = { PSW_MASK_NO_DAT | PSW_MASK_WAIT, AT_PGM };
	struct kvm_run *run = vcpu->run;

	memcpy(addr_gpa2hva(vcpu->vm, EXECUTE_AT), &code, sizeof(code));
	memcpy(addr_gpa2hva(vcpu->vm, LC_PGM_NEW_PSW), &pgm, sizeof(pgm));
	memcpy(run->s.regs.gprs, gprs, sizeof(run->s.regs.gprs));
	run->kvm_dirty_regs = KVM_SYNC_GPRS;
	run->psw_mask = PSW_MASK_NO_DAT | (problem_state ? PSW_MASK_PROBLEM : 0);
	run->psw_addr = EXECUTE_AT;
	vcpu_run(vcpu);
}

bool at_wait(struct kvm_vcpu *vcpu, uint64_t address)
{
	struct kvm_run *run = vcpu->run;

	return run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       run->s390_sieic.icptcode == ICPT_WAIT && run->psw_addr == address;
}

bool at_diagnose(struct kvm_vcpu *vcpu, uint16_t code)
{
	struct kvm_run *run = vcpu->run;

	return run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       run->s390_sieic.icptcode == ICPT_INSTRUCTION &&
	       run->s390_sieic.ipa >> 8 == 0x83 &&
	       run->s390_sieic.ipb == (uint32_t)code << 16;
}

void answer(struct kvm_vcpu *vcpu, int64_t r2)
{
	vcpu->run->s.regs.gprs[2] = r2;
	vcpu->run->kvm_dirty_regs |= KVM_SYNC_GPRS;
}

uint64_t run_to_ucall(struct kvm_vcpu *vcpu, struct ucall *uc)
{
	struct kvm_run *run = vcpu->run;
	uint64_t answered = 0;

	for (vcpu_run(vcpu); at_diagnose(vcpu, 0x500); vcpu_run(vcpu)) {
		answer(vcpu, ANSWERED_BY_USERSPACE);
		answered++;
	}
	TEST_ASSERT(get_ucall(vcpu, uc),
		    "unexpected exit %u, PSW %llx %llx; last program interruption: %x at %lx",
		    run->exit_reason, run->psw_mask, run->psw_addr,
		    *(uint16_t *)addr_gpa2hva(vcpu->vm, LC_PGM_CODE),
		    *(uint64_t *)addr_gpa2hva(vcpu->vm, LC_PGM_OLD_PSW + 8));
	if (uc->cmd == UCALL_ABORT)
		REPORT_GUEST_ASSERT_2(*uc, "values: %#lx %#lx");
	return answered;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void write_to(const char *path, const char *text)
{
	int fd = open_path_or_exit(path, O_WRONLY);

	TEST_ASSERT(write(fd, text, strlen(text)) == strlen(text), "%s: %s", path,
		    strerror(errno));
	close(fd);
}

void cgroups_mount(void)
{
	mkdir(CGROUPS, 0755);
	if (access(CGROUPS "/cgroup.controllers", F_OK))
		TEST_ASSERT(!mount("cgroup2", CGROUPS, "cgroup2", 0, NULL), "cgroup2: %s",
			    strerror(errno));
	write_to(CGROUPS "/cgroup.subtree_control", "+memory");
}
