// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the time of a notification on the host, with KVM alone and with the module
 * attached, in turn within one boot. Prints a line "case,KVM alone,attached" in
 * nanoseconds for each case and round. Lines that begin with # show the progress.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag_util.h"

#define ROUNDS	15
#define SCHID	0x00010100U

/* The next loop of each vCPU. */
static struct {
	uint64_t schid, queue, count;
	bool forget_cookie, yield;
} loops[2];

static void guest_code(uint64_t id)
{
	int64_t cookie;
	uint64_t i;

	for (;;) {
		cookie = -1;
		for (i = 0; i < loops[id].count; i++) {
			/* R1 has the address of the target, vCPU 0, which is this one. */
			if (loops[id].yield)
				asm volatile("lghi 1,0\n\tdiag 1,0,0x9c" : : : "1", "memory");
			else
				cookie = guest_notify(loops[id].schid, loops[id].queue,
						      loops[id].forget_cookie ? -1 : cookie);
		}
		GUEST_SYNC(id);
	}
}

struct bench_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	int fd;
};

static struct bench_vm one, sixtyfour, many, subchannels;

static void fill(struct bench_vm *b, int count, bool by_subchannel)
{
	uint64_t i;

	b->vm = vm_create_with_vcpus(2, guest_code, b->vcpus);
	vcpu_enable_cap(b->vcpus[0], KVM_CAP_S390_CSS_SUPPORT, 0);
	for (i = 0; i < 2; i++)
		vcpu_args_set(b->vcpus[i], 1, i);
	b->fd = -1;
	for (i = 0; i < count; i++)
		b->fd = queue_add(b->vm, by_subchannel ? SCHID + i : SCHID,
				  by_subchannel ? 0 : i, b->fd);
}

static void empty(struct bench_vm *b)
{
	kvm_vm_free(b->vm);
	close(b->fd);
}

static const struct bench {
	const char *what;
	struct bench_vm *on;
	uint32_t schid;
	uint64_t queue;
	bool forget_cookie, userspace, yield;
	int vcpus, loops;
} benches[] = {
	{ "floor: 0x9c to self, left to KVM", &one, SCHID, .yield = true, .loops = 2000 },
	{ "valid cookie", &many, SCHID, 200, .loops = 2000 },
	{ "valid cookie, 2 vCPUs", &many, SCHID, 200, .vcpus = 2, .loops = 2000 },
	{ "no cookie, 1 queue", &one, SCHID, 0, true, .loops = 1000 },
	{ "no cookie, 64 queues, queue 0", &sixtyfour, SCHID, 0, true, .loops = 1000 },
	{ "no cookie, 64 queues, queue 32", &sixtyfour, SCHID, 32, true, .loops = 1000 },
	{ "no cookie, 64 queues, queue 63", &sixtyfour, SCHID, 63, true, .loops = 1000 },
	{ "no cookie, 256 queues, queue 0", &many, SCHID, 0, true, .loops = 500 },
	{ "no cookie, 256 queues, queue 64", &many, SCHID, 64, true, .loops = 500 },
	{ "no cookie, 256 queues, queue 128", &many, SCHID, 128, true, .loops = 500 },
	{ "no cookie, 256 queues, queue 192", &many, SCHID, 192, true, .loops = 500 },
	{ "no cookie, 256 queues, queue 255", &many, SCHID, 255, true, .loops = 500 },
	{ "no cookie, 1000 subchannels, middle", &subchannels, SCHID + 500, 0, true,
	  .loops = 1000 },
	{ "ceiling: exit and eventfd write", &one, SCHID, 7, .userspace = true, .loops = 500 },
};

static void *run_loop(void *arg)
{
	struct ucall uc;

	TEST_ASSERT(!run_to_ucall(arg, &uc), "unexpected exit for a queue with a device");
	return NULL;
}

static void run_userspace(struct kvm_vcpu *vcpu, int fd)
{
	const uint64_t increment = 1;

	for (vcpu_run(vcpu); at_diagnose(vcpu, 0x500); vcpu_run(vcpu)) {
		TEST_ASSERT(write(fd, &increment, sizeof(increment)) == sizeof(increment),
			    "eventfd: %s", strerror(errno));
		answer(vcpu, 0);
	}
	TEST_ASSERT(get_ucall(vcpu, NULL) == UCALL_SYNC, "the guest did not reach its ucall");
}

/* Returns nanoseconds per notification; with two vCPUs, per notification of each vCPU. */
static uint64_t run_bench(const struct bench *b)
{
	int i, vcpus = b->vcpus ?: 1;
	uint64_t start, expected = b->yield ? 0 : (uint64_t)vcpus * b->loops;
	pthread_t thread;

	for (i = 0; i < vcpus; i++) {
		loops[i].schid = b->schid;
		loops[i].queue = b->queue;
		loops[i].count = b->loops;
		loops[i].forget_cookie = b->forget_cookie;
		loops[i].yield = b->yield;
	}
	sync_global_to_guest(b->on->vm, loops);
	start = now_ns();
	if (vcpus == 2)
		pthread_create(&thread, NULL, run_loop, b->on->vcpus[1]);
	if (b->userspace)
		run_userspace(b->on->vcpus[0], b->on->fd);
	else
		run_loop(b->on->vcpus[0]);
	if (vcpus == 2)
		pthread_join(thread, NULL);
	start = now_ns() - start;

	TEST_ASSERT(eventfd_take(b->on->fd) == expected, "%s: notifications were lost", b->what);
	return start / b->loops;
}

int main(void)
{
	static uint64_t ns[2][ARRAY_SIZE(benches)];
	int round, attached;
	uint64_t served;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# registering 1321 queues\n");
	fill(&one, 1, false);
	fill(&sixtyfour, 64, false);
	fill(&many, 256, false);
	fill(&subchannels, 1000, true);

	/* Round 0 warms up, and is not printed. */
	for (round = 0; round <= ROUNDS; round++) {
		printf("# round %d of %d\n", round, ROUNDS);
		for (attached = 0; attached < 2; attached++) {
			if (attached)
				module_attach("claim=0x500");
			for (i = 0; i < ARRAY_SIZE(benches); i++)
				ns[attached][i] = run_bench(&benches[i]);
			served = module_counted("served");
			if (attached)
				module_detach();
		}
		TEST_ASSERT(served, "the module has served no notification");
		for (i = 0; round && i < ARRAY_SIZE(benches); i++)
			printf("\"%s\",%" PRIu64 ",%" PRIu64 "\n", benches[i].what, ns[0][i],
			       ns[1][i]);
	}
	empty(&one);
	empty(&sixtyfour);
	empty(&many);
	empty(&subchannels);
	return 0;
}
