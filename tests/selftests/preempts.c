// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preempts whatever runs on its CPU, thousands of times a second, for as long as it lives.
 */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	const struct sched_param priority = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &priority)) {
		perror("preempts: SCHED_FIFO");
		return 1;
	}
	for (;;)
		usleep(200);
}
