// SPDX-License-Identifier: MIT
// The same for datagrams: workers block in recvfrom() on one shared socket, and send each datagram
// back to where it came from. A handler that takes its time is `msec` of sleep.

#include <err.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ref.h"

#define LARGEST 65536

void ref_datagram(int fd, unsigned msec)
{
    static char data[LARGEST];
    struct sockaddr_in from;

    for (;;) {
        socklen_t length = sizeof(from);
        ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &length);

        if (n < 0)
            continue;
        if (msec > 0)
            (void)usleep(msec * 1000);
        (void)sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, length); // or it is lost
    }
}
