// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two vCPUs notify. At the same time, one thread registers and unregisters devices as
 * fast as it can, and another thread loads and unloads the module. At the end, each
 * DIAGNOSE of the guest must be accounted for by one eventfd count or one exit of its
 * queue.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag_util.h"

#define VCPUS		2
#define NOTIFICATIONS	1000000UL
#define CYCLES		200
/*
 * On a preemptible kernel each load takes seconds, so LIMIT_S ends before CYCLES is reached. At
 * least this many cycles run nevertheless.
 */
#define CYCLES_MIN	10
#define LIMIT_S		30

/*
 * SCHID_BELOW is registered and unregistered again and again, which moves all slots above
 * it. SCHID has QUEUES queues that are always registered, and the queue FLAPPING, which is
 * registered and unregistered again and again. Both vCPUs notify the same queues.
 */
#define SCHID_BELOW	0x00010001U
#define SCHID		0x00010005U
#define QUEUES		3
#define FLAPPING	QUEUES

/* One of this many notifications is for the queue FLAPPING. */
#define FLAPPING_EVERY	16

/* Each vCPU writes only its own element. */
static struct {
	uint64_t issued[QUEUES + 1];
} __aligned(256) guest[VCPUS];
static uint64_t stop;

static void guest_code(uint64_t id)
{
	int64_t cookie[QUEUES + 1] = { -1, -1, -1, -1 };
	uint64_t i, queue;

	for (i = 0; !READ_ONCE(stop); i++) {
		queue = i % FLAPPING_EVERY ? i % QUEUES : FLAPPING;
		cookie[queue] = guest_notify(SCHID, queue, cookie[queue]);
		WRITE_ONCE(guest[id].issued[queue], guest[id].issued[queue] + 1);
	}
	GUEST_DONE();
}

struct thread {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	uint64_t exits[QUEUES + 1];	/* by queue */
	bool wrong_exit;
};

static struct kvm_vm *vm;
static int fds[QUEUES + 1], fd_below;
static bool end_of_devices;
static uint64_t device_cycles;

static void *run_vcpu(void *arg)
{
	struct thread *t = arg;
	__u64 *gprs = t->vcpu->run->s.regs.gprs;

	for (vcpu_run(t->vcpu); at_diagnose(t->vcpu, 0x500); vcpu_run(t->vcpu)) {
		if (gprs[1] != 3 || gprs[2] != SCHID || gprs[3] > FLAPPING) {
			t->wrong_exit = true;
			break;
		}
		t->exits[gprs[3]]++;
		answer(t->vcpu, ANSWERED_BY_USERSPACE);
	}
	t->wrong_exit |= get_ucall(t->vcpu, NULL) != UCALL_DONE;
	return NULL;
}

static void *run_devices(void *unused)
{
	while (!READ_ONCE(end_of_devices)) {
		queue_add(vm, SCHID_BELOW, 0, fd_below);
		queue_add(vm, SCHID, FLAPPING, fds[FLAPPING]);
		queue_remove(vm, SCHID_BELOW, 0, fd_below);
		queue_remove(vm, SCHID, FLAPPING, fds[FLAPPING]);
		WRITE_ONCE(device_cycles, device_cycles + 1);
	}
	return NULL;
}

/*
 * Each load and unload waits for several RCU grace periods. Expedited grace periods are
 * shorter, so the module is loaded and unloaded more often.
 */
static void expedite_rcu(const char *value)
{
	int fd = open_path_or_exit("/sys/kernel/rcu_expedited", O_WRONLY);

	TEST_ASSERT(write(fd, value, 1) == 1, "/sys/kernel/rcu_expedited: %s", strerror(errno));
	close(fd);
}

static uint64_t issued(unsigned int queue)
{
	typeof(guest[0]) *g = addr_gva2hva(vm, (vm_vaddr_t)guest);

	return READ_ONCE(g[0].issued[queue]) + READ_ONCE(g[1].issued[queue]);
}

static uint64_t issued_all(void)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i <= FLAPPING; i++)
		sum += issued(i);
	return sum;
}

/*
 * Waits until the vCPUs have issued this many notifications and the devices have changed
 * once. Returns false if that does not happen within the limit.
 */
static bool all_go_on(uint64_t notifications, uint64_t limit_s)
{
	uint64_t issued_goal = issued_all() + notifications;
	uint64_t devices_goal = READ_ONCE(device_cycles) + 1;
	uint64_t limit = now_ns() + limit_s * NSEC_PER_SEC;

	while (issued_all() < issued_goal || READ_ONCE(device_cycles) < devices_goal) {
		if (now_ns() > limit)
			return false;
		usleep(1000);
	}
	return true;
}

int main(void)
{
	struct thread threads[VCPUS] = {};
	struct kvm_vcpu *vcpus[VCPUS];
	uint64_t events = 0, exits = 0, served = 0, searched = 0, no_device = 0, all;
	uint64_t queue_events, queue_exits, limit;
	bool went_on = true, took_part = true, each_right = true, one = true;
	pthread_t devices;
	int i, cycle;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();

	expedite_rcu("1");
	vm = vm_create_with_vcpus(VCPUS, guest_code, vcpus);
	vcpu_enable_cap(vcpus[0], KVM_CAP_S390_CSS_SUPPORT, 0);
	fd_below = queue_add(vm, SCHID_BELOW, 0, -1);
	queue_remove(vm, SCHID_BELOW, 0, fd_below);
	for (i = 0; i <= FLAPPING; i++)
		fds[i] = queue_add(vm, SCHID, i, -1);
	queue_remove(vm, SCHID, FLAPPING, fds[FLAPPING]);

	for (i = 0; i < VCPUS; i++) {
		threads[i].vcpu = vcpus[i];
		vcpu_args_set(vcpus[i], 1, (uint64_t)i);
		pthread_create(&threads[i].thread, NULL, run_vcpu, &threads[i]);
	}
	pthread_create(&devices, NULL, run_devices, NULL);

	limit = now_ns() + LIMIT_S * NSEC_PER_SEC;
	for (cycle = 0; went_on && (cycle < CYCLES_MIN || issued_all() < NOTIFICATIONS ||
				    (cycle < CYCLES && now_ns() < limit)); cycle++) {
		went_on = all_go_on(10, 60);
		module_attach("");
		/* After CYCLES cycles, this adds up to NOTIFICATIONS. */
		went_on = went_on && all_go_on(NOTIFICATIONS / CYCLES, 120);
		served += module_counted("served");
		searched += module_counted("served_search");
		no_device += module_counted("forwarded_no_device");
		took_part = took_part && module_counted("served") &&
			    !module_counted("forwarded_other");
		module_detach();
		if (cycle % 20 == 0)
			ksft_print_msg("cycle %d, %" PRIu64 " notifications\n", cycle,
				       issued_all());
	}
	WRITE_ONCE(end_of_devices, true);
	pthread_join(devices, NULL);
	*(uint64_t *)addr_gva2hva(vm, (vm_vaddr_t)&stop) = 1;
	for (i = 0; i < VCPUS; i++) {
		pthread_join(threads[i].thread, NULL);
		one = one && !threads[i].wrong_exit;
	}

	all = issued_all();
	for (i = 0; i <= FLAPPING; i++) {
		queue_events = eventfd_take(fds[i]);
		queue_exits = threads[0].exits[i] + threads[1].exits[i];
		events += queue_events;
		exits += queue_exits;
		/* A queue that is always registered never causes an exit. */
		each_right = each_right && issued(i) == queue_events + queue_exits &&
			     (i == FLAPPING || !queue_exits);
	}
	ksft_test_result(went_on && cycle >= CYCLES_MIN && all >= NOTIFICATIONS,
			 "guest makes progress: %" PRIu64 " notifications, %d loads and unloads, %"
			 PRIu64 " device changes\n", all, cycle, device_cycles);
	ksft_test_result(took_part && searched && no_device,
			 "the module answers in every cycle: served %" PRIu64 " (%" PRIu64
			 " by search), forwarded %" PRIu64 "\n", served, searched, no_device);
	ksft_test_result(all == events + exits,
			 "each notification is accounted for: %" PRIu64 " = %" PRIu64
			 " eventfd counts + %" PRIu64 " exits\n", all, events, exits);
	ksft_test_result(each_right, "each notification is accounted to its own queue\n");
	ksft_test_result(one && !eventfd_take(fd_below),
			 "no other exit, and no eventfd count of a device that was not notified\n");
	expedite_rcu("0");
	kvm_vm_free(vm);
	return ksft_end();
}
