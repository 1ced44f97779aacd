// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network link is Hercules' CTCI device. In its first ten seconds this device reads nothing,
 * for another program sets the link up on this machine meanwhile. tests/lab/host preloads this
 * library. With it, the device waits only until the link is up.
 */
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SETUP_S		10
#define POLL_MS		10

/* The first link in the namespace of each emulated host. */
static const char link_name[] = "tun0";

static bool link_is_up(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = { 0 };
	bool up;

	if (sock < 0)
		return false;
	strncpy(request.ifr_name, link_name, sizeof(request.ifr_name) - 1);
	up = !ioctl(sock, SIOCGIFFLAGS, &request) && request.ifr_flags & IFF_UP;
	close(sock);
	return up;
}

/* A sleep of ten seconds ends when the link is up. Each other one lasts as long as it should. */
unsigned int sleep(unsigned int seconds)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	unsigned int i;

	for (i = 0; i < seconds * 1000 / POLL_MS; i++) {
		if (seconds == SETUP_S && link_is_up())
			break;
		nanosleep(&pause, NULL);
	}
	return 0;
}
