// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests VMs that are created and destroyed while the module is attached. Tests a module
 * that is loaded and unloaded while VMs exist: with a vCPU that sleeps in KVM's own
 * handler, and with VMs older and newer than the module.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "diag_util.h"

#define SCHID		0x00010005U
#define VMS		50
#define KILLED		20

/* Notifies for ever. Each 64th time it also issues 0x44, which KVM's own handler answers. */
static void guest_notifies(void)
{
	int64_t cookie = -1;
	uint64_t i;

	for (i = 0;; i++) {
		cookie = guest_notify(SCHID, 0, cookie);
		if (i % 64 == 0)
			asm volatile("diag 0,0,0x44" : : : "memory");
		if (i % 256 == 255)
			GUEST_SYNC(i);
	}
}

/* Runs the vCPU until the guest has notified 256 times. Ignores its other DIAGNOSEs. */
static void run_a_while(struct kvm_vcpu *vcpu)
{
	do
		vcpu_run(vcpu);
	while (at_diagnose(vcpu, 0x44));
	TEST_ASSERT(get_ucall(vcpu, NULL) == UCALL_SYNC, "the guest did not reach its ucall");
}

static void test_clean(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i, fd = -1, right = 0;

	module_attach("");
	for (i = 0; i < VMS; i++) {
		vm = vm_create_css(&vcpu, guest_notifies);
		fd = queue_add(vm, SCHID, 0, fd);
		run_a_while(vcpu);
		right += eventfd_take(fd) == 256;
		kvm_vm_free(vm);
	}
	ksft_test_result(right == VMS, "%d of %d VMs were created, notified and were destroyed\n",
			 right, VMS);
	/*
	 * The four yields and the ucall of each VM went to this program. For a VM older than
	 * the module, KVM would have answered the yields.
	 */
	ksft_test_result(module_counted("forwarded_other_code") == VMS * (4 + 1),
			 "all of them count as newer than the module\n");
	module_detach();
	close(fd);
}

static void notify_until_killed(int fd)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_notifies);

	queue_add(vm, SCHID, 0, fd);
	for (;;)
		run_a_while(vcpu);
}

static void test_killed(void)
{
	int i, status, fd = eventfd(0, 0), killed = 0;
	uint64_t count;
	pid_t pid;

	module_attach("");
	for (i = 0; i < KILLED; i++) {
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
		if (!pid)
			notify_until_killed(fd);
		/* Blocks until the guest has notified. It then notifies until it is killed. */
		TEST_ASSERT(read(fd, &count, sizeof(count)) == sizeof(count), "eventfd");
		kill(pid, SIGKILL);
		killed += waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
			  WTERMSIG(status) == SIGKILL;
		/* Reset the eventfd, so that the next VM starts from 0. */
		fcntl(fd, F_SETFL, O_NONBLOCK);
		eventfd_take(fd);
		fcntl(fd, F_SETFL, 0);
	}
	ksft_test_result(killed == KILLED, "%d of %d VMs were killed while they notified\n", killed,
			 KILLED);
	module_detach();
	ksft_test_result(!module_attached(), "the module unloads after VMs were killed\n");
	close(fd);
}

/* A vCPU that sleeps in KVM's own handler of 0x258 */

static struct {
	uint16_t code, subcode, parm_len, parm_version;
	uint64_t token_addr, select_mask, compare_mask, zarch;
} page_ref_block = { .code = 0x258, .subcode = 1, .parm_len = 5, .parm_version = 2 };

/* KVM's answer to this block: there is nothing to cancel. */
#define NOT_ESTABLISHED	4

/* A page that the userfaultfd withholds. Only the parameter block is in it. */
static uint8_t withheld[2 * 4096] __aligned(4096);

static void guest_page_ref(uint64_t block)
{
	uint64_t rc = 0x77;
	int64_t cookie = -1;

	/* R1 has the real address of the block. */
	asm volatile("diag %1,%0,0x258" : "+d" (rc) : "a" (block) : "memory");
	cookie = guest_notify(SCHID, 0, cookie);
	GUEST_SYNC_ARGS(0, rc, cookie, 0, 0);
	GUEST_DONE();
}

struct sleeper {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	int uffd, fd;
	void *page;		/* its address in this process */
	bool done;
	uint64_t rc, cookie, exits;
};

static void *run_sleeper(void *arg)
{
	struct sleeper *s = arg;
	struct ucall uc;

	s->exits = run_to_ucall(s->vcpu, &uc);
	s->rc = uc.args[2];
	s->cookie = uc.args[3];
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void sleeper_create(struct sleeper *s)
{
	vm_vaddr_t block = (vm_vaddr_t)withheld;

	memset(s, 0, sizeof(*s));
	s->vm = vm_create_css(&s->vcpu, guest_page_ref);
	s->fd = queue_add(s->vm, SCHID, 0, -1);
	vcpu_args_set(s->vcpu, 1, addr_gva2gpa(s->vm, block));
	s->page = addr_gva2hva(s->vm, block);
}

/* Starts the vCPU, which then sleeps until the withheld page is provided. */
static void sleeper_start(struct sleeper *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)s->page, .len = 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffd_msg msg;

	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	TEST_ASSERT(s->uffd >= 0, "userfaultfd: %s", strerror(errno));
	TEST_ASSERT(!ioctl(s->uffd, UFFDIO_API, &api), "UFFDIO_API: %s", strerror(errno));
	TEST_ASSERT(!madvise(s->page, 4096, MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	TEST_ASSERT(!ioctl(s->uffd, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER: %s",
		    strerror(errno));
	pthread_create(&s->thread, NULL, run_sleeper, s);
	/* Blocks until KVM's handler has faulted on the page. */
	TEST_ASSERT(read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT &&
		    (msg.arg.pagefault.address & -4096ULL) == (uintptr_t)s->page,
		    "no page fault where one was expected");
}

static bool sleeper_sleeps(struct sleeper *s)
{
	return !__atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
}

/* Provides the page, and waits until the guest has ended. */
static void sleeper_finish(struct sleeper *s)
{
	static uint8_t page[4096] __aligned(4096);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)s->page, .src = (uintptr_t)page, .len = sizeof(page),
	};

	memcpy(page, &page_ref_block, sizeof(page_ref_block));
	TEST_ASSERT(!ioctl(s->uffd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s", strerror(errno));
	pthread_join(s->thread, NULL);
	close(s->uffd);
}

static void sleeper_destroy(struct sleeper *s)
{
	kvm_vm_free(s->vm);
	close(s->fd);
}

static void test_sleeper(const char *what, const char *param, bool older)
{
	struct sleeper s;
	uint64_t ms;

	if (!older)
		module_attach(param);
	sleeper_create(&s);
	if (older)
		module_attach(param);
	sleeper_start(&s);
	ksft_test_result(left_to_kvm() == 1 && sleeper_sleeps(&s),
			 "%s: a vCPU sleeps in KVM's handler\n", what);
	ms = now_ns();
	module_detach();
	ms = (now_ns() - ms) / 1000000;
	ksft_test_result(!module_attached() && sleeper_sleeps(&s),
			 "%s: the module unloads while the vCPU sleeps, after %lu ms\n", what, ms);
	/* The next load may reuse the memory of the module's text. */
	module_attach(param);
	ksft_test_result(sleeper_sleeps(&s),
			 "%s: the vCPU still sleeps after the next load\n", what);
	module_detach();
	sleeper_finish(&s);
	ksft_test_result(s.rc == NOT_ESTABLISHED && s.cookie == 0 && !s.exits &&
			 eventfd_take(s.fd) == 1,
			 "%s: the guest continues when the page is provided\n", what);
	sleeper_destroy(&s);
}

/* VMs older and newer than the module */

static void guest_asks(void)
{
	for (;;) {
		asm volatile("diag 0,0,0x44" : : : "memory");
		GUEST_SYNC(0);
	}
}

/* Does a yield exit to this program? */
static bool yield_exits(struct kvm_vcpu *vcpu)
{
	bool exits;

	vcpu_run(vcpu);
	exits = at_diagnose(vcpu, 0x44);
	if (exits)
		vcpu_run(vcpu);
	TEST_ASSERT(get_ucall(vcpu, NULL) == UCALL_SYNC, "the guest did not reach its ucall");
	return exits;
}

static void test_both_ages(void)
{
	struct kvm_vcpu *older_vcpu, *newer_vcpu;
	struct kvm_vm *older, *newer;

	older = vm_create_css(&older_vcpu, guest_asks);
	ksft_test_result(!yield_exits(older_vcpu), "KVM alone: KVM answers 0x44\n");
	module_attach("claim=all");
	newer = vm_create_css(&newer_vcpu, guest_asks);
	ksft_test_result(!yield_exits(older_vcpu), "claim=all: KVM answers the older VM\n");
	ksft_test_result(yield_exits(newer_vcpu),
			 "claim=all: userspace answers the newer VM of the same process\n");
	ksft_test_result(!yield_exits(older_vcpu) && yield_exits(newer_vcpu),
			 "claim=all: the same again, in turn\n");
	module_detach();
	ksft_test_result(!yield_exits(older_vcpu) && !yield_exits(newer_vcpu),
			 "module unloaded: KVM answers both VMs\n");
	module_attach("claim=all");
	ksft_test_result(!yield_exits(older_vcpu) && !yield_exits(newer_vcpu),
			 "module loaded again: both VMs are older, KVM answers them\n");
	kvm_vm_free(newer);
	newer = vm_create_css(&newer_vcpu, guest_asks);
	ksft_test_result(yield_exits(newer_vcpu),
			 "module loaded again: userspace answers a new VM\n");
	module_detach();
	kvm_vm_free(newer);
	kvm_vm_free(older);
}

static void test_kvm_pinned(void)
{
	module_attach("");
	ksft_test_result(syscall(SYS_delete_module, "kvm", O_NONBLOCK) == -1 &&
			 errno == EWOULDBLOCK, "rmmod kvm is refused while attached\n");
	module_detach();
	ksft_test_result(!syscall(SYS_delete_module, "kvm", O_NONBLOCK),
			 "rmmod kvm succeeds after detaching: no VM holds a reference\n");
	TEST_ASSERT(!system("modprobe kvm"), "kvm.ko does not load again");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	test_clean();
	test_killed();
	test_sleeper("claim=0x500", "claim=0x500", false);
	test_sleeper("older VM", "claim=all", true);
	test_both_ages();
	test_kvm_pinned();
	return ksft_end();
}
