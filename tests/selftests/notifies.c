// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a VM whose guest notifies queue 0 and queue 1 in turn, until SIGTERM. Only queue 0
 * has an ioeventfd. At SIGTERM, the program prints how many notifications, eventfd
 * counts and exits there were. It exits with 0 if no notification was lost.
 *
 * With the argument "reader", a thread of higher priority reads the eventfd. Each notification
 * of queue 0 wakes it. On the CPU of the guest, it preempts the guest before the notification
 * is complete.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
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

/* Added to the eventfd when the guest has ended. The guest cannot notify as often. */
#define END_OF_EVENTS	0x1000000000000UL

/* Returns how often the guest has signalled the eventfd. */
static void *reader(void *fd)
{
	const struct sched_param priority = { .sched_priority = 2 };
	uint64_t count, events = 0;

	TEST_ASSERT(!pthread_setname_np(pthread_self(), "reader"), "pthread_setname_np fails");
	TEST_ASSERT(!sched_setscheduler(0, SCHED_FIFO, &priority), "SCHED_FIFO is refused");
	do {
		TEST_ASSERT(read(*(int *)fd, &count, sizeof(count)) == sizeof(count),
			    "the eventfd cannot be read");
		events += count;
	} while (events < END_OF_EVENTS);
	return (void *)(events - END_OF_EVENTS);
}

/* Ends the reader, and returns its result. */
static uint64_t end_of(pthread_t thread, int fd)
{
	void *events;

	TEST_ASSERT(!eventfd_write(fd, END_OF_EVENTS), "the eventfd cannot be written");
	pthread_join(thread, &events);
	return (uint64_t)events;
}

int main(int argc, char **argv)
{
	bool with_reader = argc > 1 && !strcmp(argv[1], "reader");
	struct sigaction term = { .sa_handler = on_term };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_css(&vcpu, guest_code);
	int fd = queue_add(vm, SCHID, 0, with_reader ? eventfd(0, 0) : -1);
	uint64_t events, exits;
	pthread_t thread;
	struct ucall uc;

	guest_stop = addr_gva2hva(vm, (vm_vaddr_t)&stop);
	sigaction(SIGTERM, &term, NULL);
	if (with_reader)
		TEST_ASSERT(!pthread_create(&thread, NULL, reader, &fd), "no thread");
	exits = run_to_ucall(vcpu, &uc);
	TEST_ASSERT(uc.cmd == UCALL_DONE, "the guest ended with ucall %lu", uc.cmd);
	sync_global_from_guest(vm, issued);
	events = with_reader ? end_of(thread, fd) : eventfd_take(fd);
	printf("%" PRIu64 " notifications, %" PRIu64 " events, %" PRIu64 " exits\n", issued, events,
	       exits);
	return !(issued == events + exits && events && exits);
}
