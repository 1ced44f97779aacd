// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests cookies while the notify bus changes: a guest gets a cookie, uses it again, and
 * gets a new cookie after a device in a lower slot was registered or unregistered.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "diag_util.h"

#define SCHID		0x00010005U
/* These differ from SCHID only in the subchannel set: SCHID is in set 0. */
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

/* Makes the guest issue one notification. Returns the guest's r2 after it. */
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
		    "%lu exits do not match r2 = %ld", exits, request.r2);
	return request.r2;
}

/* Is a notification served? Checks r2, the counter and the eventfd. */
static bool served(struct kvm_vcpu *vcpu, uint32_t schid, uint64_t queue, int64_t cookie,
		   int64_t slot, int fd)
{
	const char *counter = cookie == slot ? "served_cookie" : "served_search";
	uint64_t before = module_counted(counter);

	return notify(vcpu, schid, queue, cookie) == slot && eventfd_take(fd) == 1 &&
	       module_counted(counter) == before + 1;
}

/* Does a notification go to userspace? Checks r2 and the counter. */
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

/* The first notification of a queue returns its cookie; the next one uses the cookie. */
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
	ksft_test_result(learned == count, "%d of %d queues get their cookies\n", learned,
			 count);
	ksft_test_result(kept == count, "%d of %d cookies are right the next time\n", kept, count);
	ksft_test_result(forwarded(vcpu, SCHID, count, count - 1),
			 "%d queues: a notification of a further queue goes to userspace\n", count);
	kvm_vm_free(vm);
	close_all(fds, count);
}

static void test_life(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fds[4], i;

	ksft_test_result(forwarded(vcpu, SCHID, 0, -1),
			 "empty bus: the notification goes to userspace\n");

	/* Slots 0 to 3: one queue each of neighbouring subchannels. */
	for (i = 0; i < 4; i++)
		fds[i] = queue_add(vm, SCHID + i, 0, -1);
	ksft_test_result(served(vcpu, SCHID + 2, 0, -1, 2, fds[2]),
			 "queue registered: the guest gets a cookie\n");
	ksft_test_result(served(vcpu, SCHID + 2, 0, 2, 2, fds[2]),
			 "queue registered: the cookie is right\n");

	/* All higher slots move down by one. */
	queue_remove(vm, SCHID, 0, fds[0]);
	ksft_test_result(served(vcpu, SCHID + 2, 0, 2, 1, fds[2]),
			 "lower queue unregistered: the stale cookie is replaced\n");
	ksft_test_result(served(vcpu, SCHID + 2, 0, 1, 1, fds[2]),
			 "lower queue unregistered: the new cookie is right\n");
	ksft_test_result(served(vcpu, SCHID + 3, 0, 3, 2, fds[3]),
			 "lower queue unregistered: a cookie past the last slot is replaced\n");
	ksft_test_result(forwarded(vcpu, SCHID, 0, 0),
			 "lower queue unregistered: its notification goes to userspace\n");

	/* The same slots move up by one. */
	queue_add(vm, SCHID, 0, fds[0]);
	ksft_test_result(served(vcpu, SCHID + 2, 0, 1, 2, fds[2]),
			 "lower queue registered again: the stale cookie is replaced\n");
	ksft_test_result(served(vcpu, SCHID, 0, 2, 0, fds[0]),
			 "the cookie of another subchannel is replaced\n");

	for (i = 0; i < 4; i++)
		queue_remove(vm, SCHID + i, 0, fds[i]);
	ksft_test_result(forwarded(vcpu, SCHID + 2, 0, 2),
			 "all queues unregistered: the notification goes to userspace\n");
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
	/* Each subchannel is notified with its own cookie and with those of the others. */
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			right += served(vcpu, schids[i], 0, j, i, fds[i]);
	ksft_test_result(right == 9,
			 "subchannels that differ only in their set are distinguished: %d of 9\n",
			 right);
	ksft_test_result(forwarded(vcpu, 0x00050005, 0, 1),
			 "subchannel set without devices: the notification goes to userspace\n");
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
	ksft_test_result(forwarded(vcpu, SCHID, 77, 1),
			 "a wildcard takes no queue of another subchannel\n");
	kvm_vm_free(vm);
	close_all(fds, 2);
}

static void test_two_vms(void)
{
	struct kvm_vcpu *vcpu, *other_vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	struct kvm_vm *other = vm_create_css(&other_vcpu, guest_code);
	int fds[3];

	/* SCHID has slot 1 in the first VM and slot 0 in the other. */
	fds[0] = queue_add(vm, SCHID - 1, 0, -1);
	fds[1] = queue_add(vm, SCHID, 0, -1);
	fds[2] = queue_add(other, SCHID, 0, -1);
	ksft_test_result(served(vcpu, SCHID, 0, -1, 1, fds[1]) &&
			 served(other_vcpu, SCHID, 0, -1, 0, fds[2]),
			 "each of two VMs uses its own bus\n");
	ksft_test_result(served(other_vcpu, SCHID, 0, 1, 0, fds[2]) &&
			 served(vcpu, SCHID, 0, 0, 1, fds[1]),
			 "a cookie from the other VM is replaced\n");
	ksft_test_result(forwarded(other_vcpu, SCHID - 1, 0, 0),
			 "a VM cannot notify a device of the other VM\n");
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
