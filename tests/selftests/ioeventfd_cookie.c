// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cookies over the life of a notify bus: what a guest is given, keeps, and is given
 * anew when devices come and go below it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "diag_util.h"

#define SCHID		0x00010005U
/* Differ from SCHID in the subchannel-set identification only: sets 0, 1 and 3. */
#define SCHID_SET_1	0x00030005U
#define SCHID_SET_3	0x00070005U

#define MANY		1000

static struct {
	uint64_t schid, queue;
	int64_t cookie, r2;
} request;

static void guest_code(void)
{
	for (;;) {
		request.r2 = guest_notify(request.schid, request.queue, request.cookie);
		GUEST_SYNC(0);
	}
}

/* One notification of the guest's. Returns what r2 was after it. */
static int64_t notify(struct kvm_vcpu *vcpu, uint32_t schid, uint64_t queue, int64_t cookie)
{
	struct ucall uc;
	uint64_t exits;

	request.schid = schid;
	request.queue = queue;
	request.cookie = cookie;
	request.r2 = 0;
	sync_global_to_guest(vcpu->vm, request);
	exits = run_to_ucall(vcpu, &uc);
	sync_global_from_guest(vcpu->vm, request);
	TEST_ASSERT((request.r2 == ANSWERED_BY_USERSPACE) == (exits == 1),
		    "%lu exits and r2 = %ld", exits, request.r2);
	return request.r2;
}

/* What a notification must come to: r2, which counter, and which eventfd. */
static bool served(struct kvm_vcpu *vcpu, uint32_t schid, uint64_t queue, int64_t cookie,
		   int64_t slot, int fd)
{
	const char *counter = cookie == slot ? "served_cookie" : "served_search";
	uint64_t before = module_counted(counter);

	return notify(vcpu, schid, queue, cookie) == slot && eventfd_take(fd) == 1 &&
	       module_counted(counter) == before + 1;
}

static bool forwarded(struct kvm_vcpu *vcpu, uint32_t schid, uint64_t queue, int64_t cookie)
{
	uint64_t before = module_counted("forwarded_no_device");

	return notify(vcpu, schid, queue, cookie) == ANSWERED_BY_USERSPACE &&
	       module_counted("forwarded_no_device") == before + 1;
}

static void close_all(const int *fds, int count)
{
	while (count--)
		close(fds[count]);
}

/* Each queue learns its cookie, and the cookie is right the next time. */
static void test_queues(int count)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fds[MANY], i, learned = 0, kept = 0;

	for (i = 0; i < count; i++)
		fds[i] = queue_add(vm, SCHID, i, -1);
	for (i = 0; i < count; i++) {
		learned += served(vcpu, SCHID, i, -1, i, fds[i]);
		kept += served(vcpu, SCHID, i, i, i, fds[i]);
	}
	ksft_test_result(learned == count, "%d of %d queues learn their cookies\n", learned,
			 count);
	ksft_test_result(kept == count, "%d of %d cookies are right from then on\n", kept, count);
	ksft_test_result(forwarded(vcpu, SCHID, count, count - 1),
			 "the queue after the last of %d goes to userspace\n", count);
	kvm_vm_free(vm);
	close_all(fds, count);
}

static void test_life(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fds[4], i;

	ksft_test_result(forwarded(vcpu, SCHID, 0, -1), "an empty bus: to userspace\n");

	/* Slots 0 to 3: one queue each of neighbouring subchannels. */
	for (i = 0; i < 4; i++)
		fds[i] = queue_add(vm, SCHID + i, 0, -1);
	ksft_test_result(served(vcpu, SCHID + 2, 0, -1, 2, fds[2]), "registered: learned\n");
	ksft_test_result(served(vcpu, SCHID + 2, 0, 2, 2, fds[2]), "learned: direct\n");

	/* All above move down by one. */
	queue_remove(vm, SCHID, 0, fds[0]);
	ksft_test_result(served(vcpu, SCHID + 2, 0, 2, 1, fds[2]),
			 "a lower slot unregistered: the stale cookie is relearned\n");
	ksft_test_result(served(vcpu, SCHID + 2, 0, 1, 1, fds[2]), "relearned: direct\n");
	ksft_test_result(served(vcpu, SCHID + 3, 0, 3, 2, fds[3]),
			 "a cookie that is now past the end is relearned\n");
	ksft_test_result(forwarded(vcpu, SCHID, 0, 0), "the unregistered one: to userspace\n");

	/* And up again. */
	queue_add(vm, SCHID, 0, fds[0]);
	ksft_test_result(served(vcpu, SCHID + 2, 0, 1, 2, fds[2]),
			 "a lower slot registered again: relearned\n");
	ksft_test_result(served(vcpu, SCHID, 0, 2, 0, fds[0]),
			 "the cookie of another subchannel is not taken for its own\n");

	for (i = 0; i < 4; i++)
		queue_remove(vm, SCHID + i, 0, fds[i]);
	ksft_test_result(forwarded(vcpu, SCHID + 2, 0, 2), "all unregistered: to userspace\n");
	kvm_vm_free(vm);
	close_all(fds, 4);
}

static void test_subchannel_sets(void)
{
	const uint32_t schids[] = { SCHID, SCHID_SET_1, SCHID_SET_3 };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fds[3], i, j, right = 0;

	for (i = 0; i < 3; i++)
		fds[i] = queue_add(vm, schids[i], 0, -1);
	/* With each one's own cookie, and with that of each other one. */
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			right += served(vcpu, schids[i], 0, j, i, fds[i]);
	ksft_test_result(right == 9,
			 "subchannels that differ in their set only are told apart: %d of 9\n",
			 right);
	ksft_test_result(forwarded(vcpu, 0x00050005, 0, 1),
			 "a set without devices: to userspace\n");
	kvm_vm_free(vm);
	close_all(fds, 3);
}

static void test_wildcard(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fds[2];

	fds[0] = queue_add(vm, SCHID, 0, -1);
	fds[1] = wildcard_add(vm, SCHID + 1, -1);
	ksft_test_result(served(vcpu, SCHID + 1, 0, -1, 1, fds[1]) &&
			 served(vcpu, SCHID + 1, UINT64_MAX, -1, 1, fds[1]) &&
			 served(vcpu, SCHID + 1, 77, 1, 1, fds[1]),
			 "a wildcard takes every queue\n");
	ksft_test_result(forwarded(vcpu, SCHID, 77, 1), "of its own subchannel only\n");
	kvm_vm_free(vm);
	close_all(fds, 2);
}

static void test_two_vms(void)
{
	struct kvm_vcpu *vcpu, *other_vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	struct kvm_vm *other = vm_create_css(&other_vcpu, guest_code);
	int fds[3];

	/* SCHID is slot 1 here and slot 0 there. */
	fds[0] = queue_add(vm, SCHID - 1, 0, -1);
	fds[1] = queue_add(vm, SCHID, 0, -1);
	fds[2] = queue_add(other, SCHID, 0, -1);
	ksft_test_result(served(vcpu, SCHID, 0, -1, 1, fds[1]) &&
			 served(other_vcpu, SCHID, 0, -1, 0, fds[2]),
			 "two VMs, each with its own bus\n");
	ksft_test_result(served(other_vcpu, SCHID, 0, 1, 0, fds[2]) &&
			 served(vcpu, SCHID, 0, 0, 1, fds[1]),
			 "a cookie from the other VM is relearned\n");
	ksft_test_result(forwarded(other_vcpu, SCHID - 1, 0, 0),
			 "and opens no device of the other VM\n");
	kvm_vm_free(vm);
	kvm_vm_free(other);
	close_all(fds, 3);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	module_attach("");
	test_life();
	test_queues(1);
	test_queues(64);
	test_queues(MANY);
	test_subchannel_sets();
	test_wildcard();
	test_two_vms();
	module_detach();
	return ksft_end();
}
