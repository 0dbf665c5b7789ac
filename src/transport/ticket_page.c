// SPDX-License-Identifier: MIT
#include "transport/ticket_page.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/base.h"

#define PAGE 4096

static struct {
    struct tls_ticket_page *page; // to write; children have not got it
    const struct tls_ticket_page *view;
    uint64_t turned_usec;
} tickets;

// A secret for new tickets; those before move on, and the oldest is gone. False: there is no
// randomness, and all stays.
static bool turn(struct tls_ticket_page *page)
{
    struct tls_ticket_secret fresh;
    uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);

    if (getrandom(&fresh, sizeof(fresh), GRND_NONBLOCK) != (ssize_t)sizeof(fresh))
        return false;
    atomic_store_explicit(&page->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memmove(&page->secrets[1], &page->secrets[0], sizeof(fresh) * (TLS_TICKET_SECRETS - 1));
    page->secrets[0] = fresh;
    page->n += page->n < TLS_TICKET_SECRETS;
    atomic_store_explicit(&page->sequence, sequence + 2, memory_order_release);
    explicit_bzero(&fresh, sizeof(fresh));
    return true;
}

// What is opened for reading alone can never be mapped for more.
static const struct tls_ticket_page *map_view(int fd)
{
    char path[64];
    cleanup_close int reading = -1;
    void *view;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reading = open(path, O_RDONLY | O_CLOEXEC);
    view = reading < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reading, 0);
    return view == MAP_FAILED ? NULL : view;
}

const struct tls_ticket_page *ticket_page_open(void)
{
    cleanup_close int fd = -1;
    void *page;

    if (tickets.view)
        return tickets.view;
    fd = memfd_create("tickets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, PAGE) < 0)
        return NULL;
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, PAGE, MADV_DONTFORK) == 0 && madvise(page, PAGE, MADV_DONTDUMP) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
            0 &&
        turn(page))
        tickets.view = map_view(fd);
    if (!tickets.view || madvise((void *)(uintptr_t)tickets.view, PAGE, MADV_DONTDUMP) < 0) {
        (void)munmap(page, PAGE);
        return NULL;
    }
    tickets.page = page;
    tickets.turned_usec = base_now_usec();
    return tickets.view;
}

void ticket_page_turn(uint64_t now_usec)
{
    if (tickets.page && now_usec - tickets.turned_usec >= TLS_TICKET_AGE_SEC * USEC_PER_SEC &&
        turn(tickets.page))
        tickets.turned_usec = now_usec;
}

void ticket_page_forget(void)
{
    if (tickets.view)
        (void)munmap((void *)(uintptr_t)tickets.view, PAGE);
}
