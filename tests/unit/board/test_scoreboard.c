// SPDX-License-Identifier: MIT
// scoreboard.c: what a worker writes through its own mapping the master reads through another, and
// whatever a worker writes, the master reads values within their ranges (B45).

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "board/scoreboard.h"
#include "unit.h"

#define PAGE 4096
#define LAST (SCOREBOARD_SLOTS - 1)

static int open_board(void **state)
{
    static struct scoreboard board;

    *state = &board;
    return scoreboard_open(&board);
}

static int close_board(void **state)
{
    struct scoreboard *board = *state;

    scoreboard_close(board);
    scoreboard_close(board); // twice does no harm
    return board->fd == -1 ? 0 : -1;
}

static struct score_page *join(const struct scoreboard *board, unsigned slot)
{
    struct score_page *page = NULL;
    struct pool_hint *hint = NULL;

    assert_int_equal(scoreboard_join(board->fd, slot, 0, &page, &hint), 0);
    return page;
}

static void check_score(const char *row, struct score got, enum worker_state state,
                        uint64_t since_usec, uint64_t sessions, sa_family_t family)
{
    check_number(row, got.state, state);
    check_number(row, got.since_usec, since_usec);
    check_number(row, got.sessions, sessions);
    check_number(row, got.peer.family, family);
}

static void test_life(void **state)
{
    const struct scoreboard *board = *state;
    const struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(1234), .sin_addr.s_addr = htonl(0x7f000001)};
    static const unsigned slots[] = {0, 1, 4711, LAST};

    for (size_t i = 0; i < ELEMENTS(slots); i++) {
        unsigned slot = slots[i];
        struct score_page *page = join(board, slot);
        struct score score;

        check_score("untouched", scoreboard_read(board, slot), WORKER_STARTING, 0, 0, 0);
        score_idle(page, WORKER_IDLE, 100);
        check_score("idle", scoreboard_read(board, slot), WORKER_IDLE, 100, 0, 0);
        check_number("idle", scoreboard_state(board, slot), WORKER_IDLE);
        score_busy(page, 200, (const struct sockaddr *)&peer);
        score = scoreboard_read(board, slot);
        check_score("busy", score, WORKER_BUSY, 200, 0, AF_INET);
        check_number("busy", scoreboard_state(board, slot), WORKER_BUSY);
        check_number("port", score.peer.port, htons(1234));
        check_bytes("ip", score.peer.ip, 4, "\x7f\0\0\1", 4);
        score_done(page);
        check_score("done", scoreboard_read(board, slot), WORKER_BUSY, 200, 1, 0);
        score_idle(page, WORKER_IDLE, 300);
        check_score("idle again", scoreboard_read(board, slot), WORKER_IDLE, 300, 1, 0);
        check_score("the neighbour", scoreboard_read(board, slot ^ 2), WORKER_STARTING, 0, 0, 0);
        scoreboard_wipe(board, slot);
        check_score("wiped", scoreboard_read(board, slot), WORKER_STARTING, 0, 0, 0);
        check_number("unmapped", munmap(page, PAGE), 0);
    }
}

static const union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
} peers[] = {
    {.in = {.sin_family = AF_INET, .sin_port = 0xd204, .sin_addr.s_addr = 0x0100007f}},
    {.in6 = {.sin6_family = AF_INET6, .sin6_port = 0x0700, .sin6_addr = {{{1, 2, 3}}}}},
    {.un = {.sun_family = AF_UNIX, .sun_path = "/run/x"}},
    {.any = {.sa_family = AF_UNSPEC}},
};

static void test_peers(void **state)
{
    const struct scoreboard *board = *state;
    struct score_page *page = join(board, 3);

    for (size_t i = 0; i < ELEMENTS(peers); i++) {
        sa_family_t family = peers[i].any.sa_family;
        struct score score;
        char row[32];

        (void)snprintf(row, sizeof(row), "family %u", family);
        score_busy(page, 1, &peers[i].any);
        score = scoreboard_read(board, 3);
        check_number(row, score.peer.family, family);
        if (family == AF_INET6)
            check_bytes(row, score.peer.ip, 16, &peers[i].in6.sin6_addr, 16);
        if (family == AF_INET6)
            check_number(row, score.peer.port, 0x0700);
    }
    (void)munmap(page, PAGE);
}

// A worker gone mad: its page filled with one byte, with each; then with every state.
static void test_garbage(void **state)
{
    const struct scoreboard *board = *state;
    const unsigned slot = 9;
    const off_t at = (off_t)(SCOREBOARD_POOLS + slot) * PAGE;

    for (int byte = 0; byte < 256; byte++) {
        uint8_t garbage[PAGE];
        struct score score;
        char row[32];

        memset(garbage, byte, sizeof(garbage));
        (void)snprintf(row, sizeof(row), "filled with 0x%02x", byte);
        check_number(row, pwrite(board->fd, garbage, PAGE, at), PAGE);
        score = scoreboard_read(board, slot);
        check_number(row, score.state, WORKER_STARTING);
        check_number(row, scoreboard_state(board, slot), WORKER_STARTING);
        check_number(row, score.peer.family, AF_UNSPEC);
        if (byte % 2 == 1) // as if it were writing for ever
            check_score(row, score, WORKER_STARTING, 0, 0, 0);
    }
    for (uint64_t number = 0; number <= UINT32_MAX;
         number = number < 70000 ? number + 1 : number * 3) {
        const uint32_t words[] = {2, (uint32_t)number}; // sequence, state
        enum worker_state want = number < WORKER_STATES ? (enum worker_state)number
                                                        : WORKER_STARTING;
        char row[32];

        (void)snprintf(row, sizeof(row), "state %u", words[1]);
        check_number(row, pwrite(board->fd, words, sizeof(words), at), sizeof(words));
        check_number(row, scoreboard_state(board, slot), want);
        check_number(row, scoreboard_read(board, slot).state, want);
    }
}

static void test_wipe(void **state)
{
    const struct scoreboard *board = *state;
    struct stat before, after;

    for (unsigned slot = 0; slot < 100; slot++) {
        struct score_page *page = join(board, slot);

        score_idle(page, WORKER_IDLE, 1);
        (void)munmap(page, PAGE);
    }
    check_number("stat", fstat(board->fd, &before), 0);
    for (unsigned slot = 0; slot < 99; slot++)
        scoreboard_wipe(board, slot);
    check_number("stat", fstat(board->fd, &after), 0);
    check_number("memory given back", before.st_blocks - after.st_blocks, 99 * PAGE / 512);
    check_number("size", after.st_size, before.st_size);
    check_number("the last one", scoreboard_state(board, 99), WORKER_IDLE);
    check_number("a wiped one", scoreboard_state(board, 98), WORKER_STARTING);
}

static void test_hint(void **state)
{
    const struct scoreboard *board = *state;
    static const unsigned pools[] = {0, 1, SCOREBOARD_POOLS - 1};

    for (size_t i = 0; i < ELEMENTS(pools); i++) {
        struct pool_hint *masters = scoreboard_hint(board, pools[i]);
        struct pool_hint *workers = NULL;
        struct score_page *page = NULL;

        check_number("join", scoreboard_join(board->fd, 0, pools[i], &page, &workers), 0);
        masters->spare = 4;
        masters->armed = 1;
        workers->reserve.waiting += 3;
        check_number("the master reads", masters->reserve.waiting, 3);
        check_number("the worker reads", workers->spare, 4);
        check_number("the worker wakes", atomic_exchange(&workers->armed, 0), 1);
        check_number("woken", masters->armed, 0);
        check_number("another pool", scoreboard_hint(board, pools[i] ^ 3)->reserve.waiting, 0);
        (void)munmap(page, PAGE);
        (void)munmap(workers, PAGE);
    }
    check_score("pages are untouched", scoreboard_read(board, 0), WORKER_STARTING, 0, 0, 0);
}

// A file that is cut kills whoever reads its pages.
static void test_nobody_cuts_it(void **state)
{
    static const struct {
        const char *name;
        off_t size;
    } rows[] = {{"nothing", 0}, {"a page less", SCOREBOARD_BYTES - PAGE}, {"more", 1 << 30}};
    const struct scoreboard *board = *state;
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", board->fd);
    fd = open(path, O_RDWR); // a description of its own, as another process has it
    assert_true(fd >= 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        check_number(rows[i].name, ftruncate(fd, rows[i].size), -1);
        check_number(rows[i].name, errno, EPERM);
    }
    check_number("unsealed", fcntl(fd, F_ADD_SEALS, 0), -1);
    (void)close(fd);
    check_number("last page", scoreboard_state(board, LAST), WORKER_STARTING);
}

static void test_join_fails(void **state)
{
    struct score_page *page = NULL;
    struct pool_hint *hint = NULL;

    (void)state;
    check_number("no descriptor", scoreboard_join(-1, 0, 0, &page, &hint), -EBADF);
}

// The child of a fork has none of the master's mappings; the descriptor is how it comes to its own.
static void test_fork(void **state)
{
    const struct scoreboard *board = *state;
    unsigned char residence[1];
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct score_page *page = NULL;
        struct pool_hint *hint = NULL;

        if (mincore((void *)(uintptr_t)board->pages, PAGE, residence) == 0 || errno != ENOMEM ||
            mincore(board->hints, PAGE, residence) == 0 || errno != ENOMEM)
            _exit(1);
        if (scoreboard_join(board->fd, 5, 6, &page, &hint) < 0)
            _exit(2);
        score_idle(page, WORKER_IDLE, 42);
        hint->reserve.waiting++;
        _exit(0);
    }
    check_number("reaped", waitpid(pid, &status, 0), pid);
    check_number("exit status", status, 0);
    check_score("the child's page", scoreboard_read(board, 5), WORKER_IDLE, 42, 0, 0);
    check_number("the child's hint", scoreboard_hint(board, 6)->reserve.waiting, 1);
}

static _Noreturn void write_for_ever(const struct scoreboard *board, unsigned slot)
{
    struct score_page *page = join(board, slot);

    for (uint32_t i = 1;; i++) {
        struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = i};

        score_busy(page, i, (const struct sockaddr *)&peer);
    }
}

// A child that never stops writing: what is read belongs together, or is said to be nothing.
static void test_torn(void **state)
{
    const struct scoreboard *board = *state;
    uint64_t deadline = base_now_usec() + 10 * USEC_PER_SEC;
    unsigned n_whole = 0;
    pid_t pid = fork();

    if (pid == 0)
        write_for_ever(board, 8);
    while (n_whole < 200000 && base_now_usec() < deadline) {
        struct score score = scoreboard_read(board, 8);
        uint32_t ip;

        memcpy(&ip, score.peer.ip, sizeof(ip));
        n_whole += score.state == WORKER_BUSY;
        if (ip != (uint32_t)score.since_usec)
            (void)kill(pid, SIGKILL);
        check_number("peer and time", ip, (uint32_t)score.since_usec);
    }
    (void)kill(pid, SIGKILL);
    check_number("reaped", waitpid(pid, NULL, 0), pid);
    check_true("some were read whole", n_whole > 0);
}

// Both at the same moment, again and again: a worker becomes busy, the master asks to be woken and
// looks. One of them must see the other, or the hint is lost.
struct meeting {
    _Atomic unsigned round, n_done;
    bool wakes;
};

static void await(const _Atomic unsigned *count, unsigned least)
{
    while (atomic_load(count) < least)
        ;
}

static _Noreturn void meet(const struct scoreboard *board, struct meeting *meeting)
{
    struct score_page *page = NULL;
    struct pool_hint *hint = NULL;
    const struct sockaddr nobody = {.sa_family = AF_UNIX};

    if (scoreboard_join(board->fd, 9, 3, &page, &hint) < 0)
        _exit(1);
    for (unsigned i = 1;; i += 2) {
        while (atomic_load_explicit(&meeting->round, memory_order_relaxed) < i)
            (void)atomic_load_explicit(&hint->spare, memory_order_relaxed); // so its store is slow
        score_busy(page, i, &nobody);
        meeting->wakes = score_wakes(hint, 0);
        atomic_store(&meeting->n_done, i);
        await(&meeting->round, i + 1);
        score_idle(page, WORKER_IDLE, i);
        atomic_store(&meeting->n_done, i + 1);
    }
}

static unsigned count_missed(const struct scoreboard *board, struct meeting *meeting)
{
    struct pool_hint *hint = scoreboard_hint(board, 3);
    uint64_t deadline = base_now_usec() + 2 * USEC_PER_SEC;
    unsigned n_missed = 0;

    for (unsigned i = 1; i < 2000000 && base_now_usec() < deadline; i += 2) {
        bool was_idle;

        atomic_store(&hint->armed, 0);
        atomic_store(&meeting->round, i);
        for (volatile unsigned k = i / 2 % 256; k > 0; k--)
            (void)scoreboard_state(board, 9); // the worker needs a moment to see it
        hint_arm(hint, 4, true);
        was_idle = scoreboard_state(board, 9) != WORKER_BUSY;
        await(&meeting->n_done, i);
        n_missed += was_idle && !meeting->wakes;
        atomic_store(&meeting->round, i + 1);
        await(&meeting->n_done, i + 1);
    }
    return n_missed;
}

static void test_hint_is_not_missed(void **state)
{
    const struct scoreboard *board = *state;
    struct meeting *meeting = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                   -1, 0);
    unsigned n_missed;
    pid_t pid;

    check_true("memory", meeting != MAP_FAILED);
    pid = fork();
    if (pid == 0)
        meet(board, meeting);
    n_missed = count_missed(board, meeting);
    (void)kill(pid, SIGKILL);
    check_number("reaped", waitpid(pid, NULL, 0), pid);
    check_number("missed", n_missed, 0);
    (void)munmap(meeting, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_peers, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_garbage, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_wipe, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_hint, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_nobody_cuts_it, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_join_fails, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_fork, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_torn, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_hint_is_not_missed, open_board, close_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
