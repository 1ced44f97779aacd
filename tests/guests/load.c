// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts load on a device, and detects stalls and corrupted data. Runs in guests, and on the host.
 *
 *	load ROUNDS disk DEVICE FIRST COUNT	uses blocks FIRST to FIRST + COUNT - 1
 *	load ROUNDS tcp ADDRESS PORT		needs a peer that sends all data back
 *	load ROUNDS vsock CID PORT		needs the same kind of peer
 *	load echo PORT				is that peer, for vsock
 *	load seed				lets the kernel produce random numbers at once
 *
 * Each round starts when the previous round has ended, and compares its data. After ROUNDS
 * rounds (0: never) the program prints the number of rounds and the largest gap between
 * the ends of two rounds, and exits. At SIGUSR1 it prints these numbers for the time since
 * its last report, and continues. At SIGTERM it prints them too, and exits.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <linux/vm_sockets.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	4096

static volatile sig_atomic_t asked, ending;

static _Alignas(BLOCK) uint64_t sent[BLOCK / 8], received[BLOCK / 8];

static void on_signal(int number)
{
	asked = true;
	if (number == SIGTERM)
		ending = true;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void fill(uint64_t seed)
{
	size_t i;

	for (i = 0; i < BLOCK / 8; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		sent[i] = seed;
	}
}

static void compare(const char *what)
{
	if (memcmp(sent, received, BLOCK))
		errx(1, "%s: the data that came back differ from the data sent", what);
}

static void disk_round(int fd, uint64_t round, off_t first, off_t count)
{
	off_t at = (first + round % count) * BLOCK;

	if (pwrite(fd, sent, BLOCK, at) != BLOCK || pread(fd, received, BLOCK, at) != BLOCK)
		err(1, "disk: block at %lld", (long long)at);
	compare("disk");
}

static void socket_round(int fd)
{
	size_t done;
	ssize_t n;

	for (done = 0; done < BLOCK; done += n) {
		n = write(fd, (char *)sent + done, BLOCK - done);
		if (n < 0)
			err(1, "socket: write");
	}
	for (done = 0; done < BLOCK; done += n) {
		n = read(fd, (char *)received + done, BLOCK - done);
		if (n <= 0)
			err(1, "socket: read");
	}
	compare("socket");
}

static int connect_tcp(const char *address, const char *port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, address, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "%s port %s", address, port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int connect_vsock(const char *cid, const char *port)
{
	struct sockaddr_vm to = {
		.svm_family = AF_VSOCK,
		.svm_cid = atoi(cid),
		.svm_port = atoi(port),
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "vsock %s port %s", cid, port);
	return fd;
}

static void echo(const char *port)
{
	struct sockaddr_vm at = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = atoi(port),
	};
	int server = socket(AF_VSOCK, SOCK_STREAM, 0), fd;
	ssize_t n;

	if (bind(server, (struct sockaddr *)&at, sizeof(at)) || listen(server, 1))
		err(1, "vsock port %s", port);
	printf("listening\n");
	fflush(stdout);
	fd = accept(server, NULL, NULL);
	while ((n = read(fd, received, BLOCK)) > 0)
		if (write(fd, received, n) != n)
			err(1, "echo");
}

/*
 * An idle guest has nothing random. Its kernel takes seconds to produce the first random numbers,
 * and mke2fs waits for them. This seed is not random either, but no test needs one that is.
 */
static void seed_kernel(void)
{
	struct {
		struct rand_pool_info info;
		uint64_t seed[4];
	} entropy = { { .entropy_count = 256, .buf_size = sizeof(entropy.seed) }, { now() } };
	int fd = open("/dev/random", O_RDWR);

	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &entropy))
		err(1, "/dev/random");
}

int main(int argc, char **argv)
{
	uint64_t round, limit, rounds = 0, gap = 0, last, t;
	bool disk = argc == 6 && !strcmp(argv[2], "disk");
	off_t first = 0, count = 0;
	int fd;

	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);

	if (argc == 3 && !strcmp(argv[1], "echo")) {
		echo(argv[2]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "seed")) {
		seed_kernel();
		return 0;
	}

	if (disk) {
		fd = open(argv[3], O_RDWR | O_DIRECT);
		if (fd < 0)
			err(1, "%s", argv[3]);
		first = atol(argv[4]);
		count = atol(argv[5]);
	} else if (argc == 5 && !strcmp(argv[2], "tcp")) {
		fd = connect_tcp(argv[3], argv[4]);
	} else if (argc == 5 && !strcmp(argv[2], "vsock")) {
		fd = connect_vsock(argv[3], argv[4]);
	} else {
		errx(2, "wrong arguments; load.c describes them");
	}
	limit = atol(argv[1]);
	printf("running\n");
	fflush(stdout);

	last = now();
	for (round = 1;; round++) {
		fill(round * 2 + first);
		if (disk)
			disk_round(fd, round, first, count);
		else
			socket_round(fd);
		rounds++;
		t = now();
		if (t - last > gap)
			gap = t - last;
		last = t;
		if (round == limit)
			ending = true;
		if (asked || ending) {
			asked = false;
			printf("rounds %llu gap_us %llu\n", (unsigned long long)rounds,
			       (unsigned long long)gap);
			fflush(stdout);
			if (ending)
				return 0;
			rounds = 0;
			gap = 0;
		}
	}
}
