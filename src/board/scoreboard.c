// SPDX-License-Identifier: MIT
// The scoreboard's memory. Writers never wait; a reader copies a page under its sequence number and
// gives up after three tries; nothing read here steers anything by itself.

#include "board/scoreboard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

#define PAGE SCOREBOARD_PAGE

struct score_page {
    uint32_t sequence; // odd while the worker writes
    uint32_t state;
    uint64_t since_usec;
    uint64_t sessions;
    struct score_peer peer;
    uint32_t forbidden;    // a signal handler's: without the sequence
    _Atomic uint64_t held; // without the sequence, too
    struct score_peer sender;
    struct score_counts counts; // without the sequence, too
    struct recent recent;       // each record has a sequence of its own
    struct score_session session;
    char rest[PAGE - 80 - sizeof(struct score_counts) - sizeof(struct recent) -
              sizeof(struct score_session)];
};
static_assert(sizeof(struct score_page) == PAGE, "one page a worker");
static_assert(sizeof(struct pool_hint) <= PAGE, "one page a pool");
static_assert(sizeof(struct score_counts) % sizeof(uint64_t) == 0, "numbers alone");

// The hint pages come first, then the workers' pages.
static off_t page_offset(unsigned slot)
{
    return (off_t)(SCOREBOARD_POOLS + slot) * PAGE;
}

static void *map(int fd, int protection, size_t pages, off_t offset)
{
    return mmap(NULL, pages * PAGE, protection, MAP_SHARED, fd, offset);
}

int scoreboard_open(struct scoreboard *board)
{
    void *pages, *hints;

    *board = (struct scoreboard){.fd = memfd_create("scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (board->fd < 0)
        return -errno;
    // Who reads behind the end of a file dies of SIGBUS, and a worker can find it in /proc.
    if (ftruncate(board->fd, (off_t)SCOREBOARD_BYTES) < 0 ||
        fcntl(board->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    hints = map(board->fd, PROT_READ | PROT_WRITE, SCOREBOARD_POOLS, 0);
    pages = map(board->fd, PROT_READ, SCOREBOARD_SLOTS, page_offset(0));
    if (hints == MAP_FAILED || pages == MAP_FAILED)
        return -errno;
    // A worker maps its own two pages; it must not inherit everybody's.
    if (madvise(hints, (size_t)SCOREBOARD_POOLS * PAGE, MADV_DONTFORK) < 0 ||
        madvise(pages, (size_t)SCOREBOARD_SLOTS * PAGE, MADV_DONTFORK) < 0)
        return -errno;
    board->hints = hints;
    board->pages = pages;
    return 0;
}

void scoreboard_close(struct scoreboard *board)
{
    if (board->fd < 0)
        return;
    (void)munmap(board->hints, (size_t)SCOREBOARD_POOLS * PAGE);
    (void)munmap((void *)(uintptr_t)board->pages, (size_t)SCOREBOARD_SLOTS * PAGE);
    base_close_fd(&board->fd);
}

static enum worker_state check_state(uint32_t state)
{
    return state < WORKER_STATES ? (enum worker_state)state : WORKER_STARTING;
}

enum worker_state scoreboard_state(const struct scoreboard *board, unsigned slot)
{
    assert(slot < SCOREBOARD_SLOTS);
    return check_state(__atomic_load_n(&board->pages[slot].state, __ATOMIC_RELAXED));
}

const _Atomic uint64_t *scoreboard_held(const struct scoreboard *board, unsigned slot)
{
    assert(slot < SCOREBOARD_SLOTS);
    return &board->pages[slot].held;
}

const struct recent *scoreboard_recent(const struct scoreboard *board, unsigned slot)
{
    assert(slot < SCOREBOARD_SLOTS);
    return &board->pages[slot].recent;
}

uint64_t scoreboard_number(const struct scoreboard *board, unsigned slot)
{
    assert(slot < SCOREBOARD_SLOTS);
    return __atomic_load_n(&board->pages[slot].session.number, __ATOMIC_RELAXED);
}

// What has been added to a count since; the page can say anything.
static uint64_t since(const uint64_t *count, uint64_t before)
{
    uint64_t now = __atomic_load_n(count, __ATOMIC_RELAXED);

    return now >= before && now - before < SCORE_MAX ? now - before : 0;
}

static struct score_live read_live(const struct score_page *page)
{
    const struct score_session *session = &page->session;
    uint8_t doing = __atomic_load_n(&session->doing, __ATOMIC_RELAXED);
    uint64_t turns = __atomic_load_n(&session->turns, __ATOMIC_RELAXED);

    return (struct score_live){
        .number = __atomic_load_n(&session->number, __ATOMIC_RELAXED),
        .received = since(&page->counts.received, session->received_before),
        .sent = since(&page->counts.sent, session->sent_before),
        .turns = (turns + 1) / 2,
        .doing = doing < DOINGS ? (enum score_doing)doing : DOING_NOTHING,
        .peer_ended = __atomic_load_n(&session->peer_ended, __ATOMIC_RELAXED) != 0,
    };
}

static void check_peer(struct score_peer *peer)
{
    if (peer->family != AF_INET && peer->family != AF_INET6 && peer->family != AF_UNIX)
        peer->family = AF_UNSPEC;
}

struct score scoreboard_read(const struct scoreboard *board, unsigned slot)
{
    const struct score_page *page = &board->pages[slot];

    assert(slot < SCOREBOARD_SLOTS);
    for (int try = 0; try < 3; try++) {
        uint32_t before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
        struct score score = {
            .state = check_state(__atomic_load_n(&page->state, __ATOMIC_RELAXED)),
            .since_usec = page->since_usec,
            .sessions = page->sessions,
            .peer = page->peer,
            .sender = page->sender,
            .forbidden = __atomic_load_n(&page->forbidden, __ATOMIC_RELAXED),
            .live = read_live(page),
        };

        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 != 0 || __atomic_load_n(&page->sequence, __ATOMIC_RELAXED) != before)
            continue;
        check_peer(&score.peer);
        check_peer(&score.sender);
        return score;
    }
    return (struct score){.state = WORKER_STARTING};
}

// n where there is room for it: what a worker says can be anything.
static uint64_t capped(uint64_t n)
{
    return n < SCORE_MAX ? n : SCORE_MAX;
}

void scoreboard_add_counts(const struct scoreboard *board, unsigned slot, struct score_counts *sum)
{
    const uint64_t *counts = (const uint64_t *)&board->pages[slot].counts;
    uint64_t *sums = (uint64_t *)sum;

    assert(slot < SCOREBOARD_SLOTS);
    for (size_t i = 0; i < SCORE_COUNTS; i++)
        sums[i] = capped(sums[i] + capped(__atomic_load_n(&counts[i], __ATOMIC_RELAXED)));
}

void scoreboard_wipe(const struct scoreboard *board, unsigned slot)
{
    assert(slot < SCOREBOARD_SLOTS);
    // A page that stays is stale gossip, replaced by the slot's next worker at its first step.
    (void)fallocate(board->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page_offset(slot), PAGE);
}

struct pool_hint *scoreboard_hint(const struct scoreboard *board, unsigned pool)
{
    assert(pool < SCOREBOARD_POOLS);
    return (struct pool_hint *)(void *)((char *)board->hints + (size_t)pool * PAGE);
}

// The master writes here and then reads the pages; a worker writes its page and then reads this.
// Without a fence between the two, on either side, each may miss what the other has just written:
// the master counts the worker as idle, the worker finds the hint not armed, and nobody looks again
// for a second. With both, one of them sees the other.
void hint_arm(struct pool_hint *hint, int32_t spare, bool on)
{
    atomic_store_explicit(&hint->spare, spare, memory_order_relaxed);
    atomic_store_explicit(&hint->armed, on, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

bool score_wakes(struct pool_hint *hint, int32_t idle)
{
    atomic_thread_fence(memory_order_seq_cst);
    return idle < atomic_load_explicit(&hint->spare, memory_order_relaxed) &&
           atomic_load_explicit(&hint->armed, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&hint->armed, 0, memory_order_relaxed) != 0;
}

int scoreboard_join(int fd, unsigned slot, unsigned pool, struct score_page **ret_page,
                    struct pool_hint **ret_hint)
{
    void *page = map(fd, PROT_READ | PROT_WRITE, 1, page_offset(slot));
    void *hint = map(fd, PROT_READ | PROT_WRITE, 1, (off_t)pool * PAGE);

    if (page == MAP_FAILED || hint == MAP_FAILED)
        return -errno;
    *ret_page = page;
    *ret_hint = hint;
    return 0;
}

static void write_begin(struct score_page *page)
{
    (void)__atomic_fetch_add(&page->sequence, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void write_end(struct score_page *page)
{
    (void)__atomic_fetch_add(&page->sequence, 1, __ATOMIC_RELEASE);
}

void score_idle(struct score_page *page, enum worker_state state, uint64_t now_usec)
{
    write_begin(page);
    page->since_usec = now_usec;
    __atomic_store_n(&page->state, (uint32_t)state, __ATOMIC_RELAXED);
    write_end(page);
}

static struct score_peer make_peer(const struct sockaddr *address)
{
    struct score_peer peer = {.family = address->sa_family};

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

        peer.port = in->sin_port;
        memcpy(peer.ip, &in->sin_addr, sizeof(in->sin_addr));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

        peer.port = in6->sin6_port;
        memcpy(peer.ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
    }
    return peer;
}

void score_busy(struct score_page *page, uint64_t now_usec, const struct sockaddr *peer)
{
    write_begin(page);
    page->since_usec = now_usec;
    page->peer = make_peer(peer);
    page->sender.family = AF_UNSPEC;
    page->session = (struct score_session){.received_before = page->counts.received,
                                           .sent_before = page->counts.sent,
                                           .doing = DOING_OPENING};
    __atomic_store_n(&page->state, WORKER_BUSY, __ATOMIC_RELAXED);
    write_end(page);
}

void score_begin(struct score_page *page, uint64_t number)
{
    write_begin(page);
    __atomic_store_n(&page->session.number, number, __ATOMIC_RELAXED);
    write_end(page);
}

void score_client(struct score_page *page, const struct sockaddr *client,
                  const struct sockaddr *sender)
{
    write_begin(page);
    page->peer = make_peer(client);
    page->sender = make_peer(sender);
    write_end(page);
}

void score_done(struct score_page *page)
{
    write_begin(page);
    page->sessions++;
    page->peer.family = page->sender.family = AF_UNSPEC;
    __atomic_store_n(&page->session.number, 0, __ATOMIC_RELAXED);
    write_end(page);
}

struct score_session *score_session(struct score_page *page)
{
    return &page->session;
}

struct score_counts *score_counts(struct score_page *page)
{
    return &page->counts;
}

struct recent *score_recent(struct score_page *page)
{
    return &page->recent;
}

_Atomic uint64_t *score_held(struct score_page *page)
{
    return &page->held;
}

uint32_t *score_forbidden(struct score_page *page)
{
    return &page->forbidden;
}
