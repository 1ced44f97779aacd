// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preempts whatever runs on its CPU, again and again, for as long as it lives. It sleeps
 * longer where waking up takes longer, so that it leaves most of the CPU to the others.
 */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "diag_util.h"

int main(void)
{
	const struct sched_param priority = { .sched_priority = 1 };
	uint64_t pause_us = 1000, start;

	if (sched_setscheduler(0, SCHED_FIFO, &priority)) {
		perror("preempts: SCHED_FIFO");
		return 1;
	}
	for (;;) {
		start = now_ns();
		usleep(pause_us);
		pause_us = 1000 + 10 * ((now_ns() - start) / 1000 - pause_us);
	}
}
