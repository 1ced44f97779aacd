// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a VM whose guest notifies queue 0 and queue 1 in turn, until SIGTERM. Only queue 0
 * has an ioeventfd. At SIGTERM, the program prints how many notifications, eventfd
 * counts and exits there were. It exits with 0 if no notification was lost.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "diag_util.h"

#define SCHID	0x00010005U

static uint64_t issued;
static bool stop;

static void guest_code(void)
{
	int64_t cookie[2] = { -1, -1 };
	uint64_t i;

	for (i = 0; !READ_ONCE(stop); i++) {
		cookie[i & 1] = guest_notify(SCHID, i & 1, cookie[i & 1]);
		WRITE_ONCE(issued, i + 1);
	}
	GUEST_DONE();
}

static bool *guest_stop;

static void on_term(int sig)
{
	WRITE_ONCE(*guest_stop, true);
}

int main(void)
{
	struct sigaction term = { .sa_handler = on_term };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fd = queue_add(vm, SCHID, 0, -1);
	uint64_t events, exits;
	struct ucall uc;

	guest_stop = addr_gva2hva(vm, (vm_vaddr_t)&stop);
	sigaction(SIGTERM, &term, NULL);
	exits = run_to_ucall(vcpu, &uc);
	TEST_ASSERT(uc.cmd == UCALL_DONE, "the guest ended with ucall %lu", uc.cmd);
	sync_global_from_guest(vm, issued);
	events = eventfd_take(fd);
	printf("%" PRIu64 " notifications, %" PRIu64 " events, %" PRIu64 " exits\n", issued, events,
	       exits);
	return !(issued == events + exits && events && exits);
}
