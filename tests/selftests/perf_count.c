// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf_count WHAT...
 *
 * Counts with perf on all CPUs. Each argument is the number of a trace event, or the name of
 * a function whose calls are counted by a kprobe. Prints "attached" when the counting has
 * begun. For each line on the standard input it prints the counts, one for each argument.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include "diag_util.h"

#define MAX_CPUS	64
#define MAX_WHATS	4

static int kprobe_type(void)
{
	const char *path = "/sys/bus/event_source/devices/kprobe/type";
	FILE *f = fopen(path, "r");
	int type;

	TEST_ASSERT(f && fscanf(f, "%d", &type) == 1, "%s: %s", path, strerror(errno));
	fclose(f);
	return type;
}

int main(int argc, char *argv[])
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int i, fds[MAX_WHATS][MAX_CPUS];
	uint64_t count, sum;
	char line[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	TEST_ASSERT(argc - 1 <= MAX_WHATS && cpus <= MAX_CPUS, "too many events or CPUs");
	for (i = 0; i < argc - 1; i++) {
		struct perf_event_attr attr = { .size = sizeof(attr) };

		if (isdigit(argv[i + 1][0])) {
			attr.type = PERF_TYPE_TRACEPOINT;
			attr.config = atoi(argv[i + 1]);
		} else {
			attr.type = kprobe_type();
			attr.kprobe_func = (uintptr_t)argv[i + 1];
		}
		for (cpu = 0; cpu < cpus; cpu++) {
			fds[i][cpu] = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);
			TEST_ASSERT(fds[i][cpu] >= 0, "perf_event_open: %s", strerror(errno));
		}
	}
	printf("attached\n");
	while (fgets(line, sizeof(line), stdin)) {
		for (i = 0; i < argc - 1; i++) {
			for (sum = cpu = 0; cpu < cpus; cpu++, sum += count)
				TEST_ASSERT(read(fds[i][cpu], &count, sizeof(count)) ==
					    sizeof(count), "read: %s", strerror(errno));
			printf("%" PRIu64 "%c", sum, i < argc - 2 ? ' ' : '\n');
		}
	}
	return 0;
}
