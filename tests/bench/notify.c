// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times a notification on the host, with KVM alone and with the module attached,
 * in turns within one boot. Prints lines "case,KVM alone,attached" in nanoseconds,
 * one for each round; what begins with # is for people.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

#define ROUNDS	15
#define SCHID	0x00010100U

struct bench_vm {
	struct vm vm, second;
	int fd;
};

static struct bench_vm one, sixtyfour, many, subchannels;

static void fill(struct bench_vm *b, int count, bool by_subchannel)
{
	int i;

	vm_create(&b->vm, true);
	vcpu_create(&b->second, &b->vm, 1);
	b->fd = -1;
	for (i = 0; i < count; i++)
		b->fd = queue_add(&b->vm, by_subchannel ? SCHID + i : SCHID,
				  by_subchannel ? 0 : i, b->fd);
}

static void empty(struct bench_vm *b)
{
	vcpu_destroy(&b->second);
	vm_destroy(&b->vm);
	close(b->fd);
}

static const struct bench {
	const char *what;
	struct bench_vm *on;
	uint32_t schid;
	uint64_t queue;
	bool forget_cookie, userspace;
	uint32_t code;
	int vcpus, loops;
} benches[] = {
	{ "floor: 0x9c to self, left to KVM", &one, SCHID, .code = 0x9c, .loops = 2000 },
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

/* One vCPU's share; the loops of two must not share their code. */
static void *run_loop(void *arg)
{
	struct vm *vm = arg;

	vcpu_run(vm);
	return NULL;
}

static void run_userspace(struct vm *vm, int fd)
{
	const uint64_t increment = 1;

	for (vcpu_run(vm); at_diagnose(vm); vcpu_run(vm)) {
		if (write(fd, &increment, sizeof(increment)) != sizeof(increment))
			die("eventfd: %s", strerror(errno));
		vm->run->s.regs.gprs[2] = 0;
		vm->run->kvm_dirty_regs = KVM_SYNC_GPRS;
	}
}

/* Nanoseconds a notification; with two vCPUs, of each of them. */
static uint64_t run_bench(const struct bench *b)
{
	const struct loop loop = {
		.schid = b->schid, .count = b->loops, .queue = b->queue,
		.forget_cookie = b->forget_cookie, .code = b->code,
	};
	int vcpus = b->vcpus ?: 1;
	uint64_t start, expected = b->code ? 0 : (uint64_t)vcpus * b->loops;
	pthread_t thread;

	start_loop(&b->on->vm, 0, &loop);
	if (vcpus == 2)
		start_loop(&b->on->second, 0x1000, &loop);
	start = now_ns();
	if (vcpus == 2 && pthread_create(&thread, NULL, run_loop, &b->on->second))
		die("no thread for the second vCPU");
	if (b->userspace)
		run_userspace(&b->on->vm, b->on->fd);
	else
		vcpu_run(&b->on->vm);
	if (vcpus == 2)
		pthread_join(thread, NULL);
	start = now_ns() - start;

	if (!at_wait(&b->on->vm, AT_DONE) || (vcpus == 2 && !at_wait(&b->on->second, AT_DONE)) ||
	    eventfd_take(b->on->fd) != expected)
		die("%s: notifications were lost", b->what);
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

	/* The first round warms up. */
	for (round = 0; round <= ROUNDS; round++) {
		printf("# round %d of %d\n", round, ROUNDS);
		for (attached = 0; attached < 2; attached++) {
			if (attached)
				attach("claim=0x500");
			for (i = 0; i < ARRAY_SIZE(benches); i++)
				ns[attached][i] = run_bench(&benches[i]);
			served = counted("served");
			if (attached)
				detach();
		}
		if (!served)
			die("the module has served nothing");
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
