// SPDX-License-Identifier: MIT
// The reference that forks on demand, and no more than that: a worker that takes a connection and
// finds fewer idle than the spare number wakes the parent, which forks what the accept queue and
// the spare number ask for. It never shrinks, counts no deaths and is lost if a worker dies.

#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ref.h"

static struct shared {
    atomic_int n_idle;    // in accept(), or on the way there
    atomic_bool is_awake; // the parent will count again
} * shared;

static int wake_fd;

static void wake_parent(void)
{
    if (!atomic_exchange(&shared->is_awake, true))
        (void)eventfd_write(wake_fd, 1); // cannot overflow: it is written once for each read
}

__attribute__((noreturn)) static void work(int listener, ref_serve serve, int n_spare)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            continue;
        if (atomic_fetch_sub(&shared->n_idle, 1) <= n_spare)
            wake_parent();
        serve(fd);
        close(fd);
        atomic_fetch_add(&shared->n_idle, 1);
    }
}

static int count_queued(int listener)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);

    if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        err(71, "TCP_INFO");
    return (int)info.tcpi_unacked; // of a listener: connections nobody has accepted yet
}

void ref_grow(int listener, ref_serve serve, unsigned n_workers, unsigned n_spare, unsigned most)
{
    unsigned n = 0;
    eventfd_t value;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    wake_fd = eventfd(0, EFD_CLOEXEC);
    if (shared == MAP_FAILED || wake_fd < 0)
        err(71, "shared memory");
    for (;;) {
        int wanted = (int)n_spare + count_queued(listener);

        if (n < n_workers || (n < most && atomic_load(&shared->n_idle) < wanted)) {
            n++;
            atomic_fetch_add(&shared->n_idle, 1);
            if (ref_fork() == 0) {
                ref_walls_enter(listener);
                work(listener, serve, (int)n_spare);
            }
        } else if (atomic_exchange(&shared->is_awake, false)) {
            continue; // who took a connection before this did not wake us: count again
        } else {
            (void)eventfd_read(wake_fd, &value);
        }
    }
}
