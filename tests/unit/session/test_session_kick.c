// SPDX-License-Identifier: MIT
// session_kick.c: an order ends the session that it names, wherever that is, and no other; whatever
// is under way returns at once. This process sends the orders to itself.

#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "pair.h"
#include "session/session.h"
#include "session/session_kick.h"

#define N UINT64_C(7)

static const struct service service = {.name = (char *)(uintptr_t) "test"};

static struct tcpd_session open_session(const struct pair *pair, uint64_t number)
{
    struct tcpd_session session = {.fd = -1};

    session.peer.any.sa_family = AF_INET;
    session_init(&session, pair->server, &service);
    session_kick_begin(pair->server, number);
    return session;
}

static void order(uint64_t number, enum kick_how how)
{
    const union sigval value = {.sival_int = session_kick_value(number, how)};

    assert_int_equal(sigqueue(getpid(), SIGRTMIN, value), 0);
}

static bool is_cut(const struct pair *pair)
{
    char byte;
    ssize_t n = recv(pair->client, &byte, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

// What is ordered, while session N is served, or between sessions (0).
static const struct {
    const char *name;
    uint64_t serving, ordered;
    bool ends;
} orders[] = {
    {"this one", N, N, true},
    {"the one before", N, N - 1, false},
    {"the next one", N, N + 1, false},
    {"none", N, 0, false},
    {"between sessions", 0, N, false},
    {"a great number", N + KICK_NUMBERS, N + KICK_NUMBERS, true},
    {"the greatest", UINT64_MAX, UINT64_MAX, true},
    {"one before the greatest", UINT64_MAX, UINT64_MAX - 1, false},
};

static void test_orders(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(orders); i++) {
        const char *row = orders[i].name;
        struct pair pair = pair_open(PAIR_TCP);
        struct tcpd_session session = open_session(&pair, orders[i].serving);

        if (orders[i].serving == 0)
            session_kick_end();
        order(orders[i].ordered, KICK_CLOSE);
        check_number(row, session_kick_has_come(), orders[i].ends);
        check_number(row, is_cut(&pair), orders[i].ends);
        check_number(row, tcpd_write(&session, "x", 1), orders[i].ends ? -1 : 0);
        check_number(row, session.result, orders[i].ends ? SESSION_KICKED : SESSION_OK);
        base_close_fd(&pair.client);
        pair.client = -1;
        session_close(&session);
        pair.server = -1;
        pair_close(&pair);
        session_kick_forget();
    }
}

// From somebody who says nothing with it.
static void test_other_signals(void **state)
{
    struct pair pair = pair_open(PAIR_TCP);

    (void)state;
    (void)open_session(&pair, 0);
    assert_int_equal(raise(SIGRTMIN), 0);
    check_true("raised", !session_kick_has_come() && !is_cut(&pair));
    session_kick_forget();
    pair_close(&pair);
}

// A child serves with that function, and is told to end it.
static void serve_read(struct tcpd_session *session)
{
    uint8_t bytes[10];

    while (tcpd_read(session, bytes, sizeof(bytes)) > 0) {
    }
}

static void serve_read_exactly(struct tcpd_session *session)
{
    uint8_t bytes[10];

    (void)tcpd_read_exactly(session, bytes, sizeof(bytes));
}

static void serve_write(struct tcpd_session *session)
{
    static uint8_t bytes[1 << 20];

    while (tcpd_write(session, bytes, sizeof(bytes)) == 0) {
    }
}

static void serve_pause(struct tcpd_session *session)
{
    check_number("pause", tcpd_pause(session, 3600 * USEC_PER_SEC), -1);
}

static void serve_discard(struct tcpd_session *session)
{
    while (tcpd_discard(session) > 0) {
    }
}

static void serve_splice(struct tcpd_session *session)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    while (tcpd_splice_read(session, ends[1], 4096) > 0)
        if (tcpd_splice_write(session, ends[0], 4096) < 0)
            break;
}

// Has ended already, and closes, when there is much that nobody has read.
static void serve_nothing(struct tcpd_session *session)
{
    const int size = 1 << 20;
    int unread = 0;

    (void)setsockopt(session->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    while (unread < 100 * 1024) {
        (void)usleep(1000);
        assert_int_equal(ioctl(session->fd, SIOCINQ, &unread), 0);
    }
}

static const struct {
    const char *name;
    void (*serve)(struct tcpd_session *session);
    bool floods, is_closing;
} servers[] = {
    {"read", serve_read, false, false},
    {"read of a client that floods", serve_read, true, false},
    {"read exactly", serve_read_exactly, false, false},
    {"write", serve_write, false, false},
    {"pause", serve_pause, false, false},
    {"discard", serve_discard, false, false},
    {"discard of a client that floods", serve_discard, true, false},
    {"splice", serve_splice, false, false},
    {"close of a client that floods", serve_nothing, true, true},
};

static int closing[2]; // has a byte when one is about to close

// Its exit status: the session's result.
static _Noreturn void serve(size_t row, const struct pair *pair)
{
    struct tcpd_session session = open_session(pair, N);

    (void)close(pair->client);
    servers[row].serve(&session);
    if (session_kick_has_come())
        session_stop(&session, SESSION_KICKED);
    if (servers[row].is_closing)
        assert_int_equal(write(closing[1], "", 1), 1);
    session_close(&session);
    _exit(session_kick_has_come() ? (int)session.result : 100);
}

static pid_t start_flood(const struct pair *pair)
{
    static const uint8_t bytes[1 << 16];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)close(pair->server);
    while (send(pair->client, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0) {
    }
    _exit(0);
}

// Until it blocks, or for long enough to be in the middle of a flood.
static void wait_until_busy(pid_t pid, bool floods)
{
    char path[64], state = 'R';

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 10000 && state != 'S' && !(floods && i == 50); i++) {
        FILE *file = fopen(path, "re");

        assert_non_null(file);
        assert_int_equal(fscanf(file, "%*d %*s %c", &state), 1);
        (void)fclose(file);
        (void)usleep(1000);
    }
}

static void check_server(size_t i, enum kick_how how)
{
    const char *row = servers[i].name;
    const union sigval value = {.sival_int = session_kick_value(N, how)};
    struct pair pair = pair_open(PAIR_TCP);
    pid_t flood = servers[i].floods ? start_flood(&pair) : 0, pid = fork();
    uint64_t began;
    char byte;
    int status;

    if (pid == 0)
        serve(i, &pair);
    base_close_fd(&pair.server);
    pair.server = -1;
    if (servers[i].is_closing)
        check_number(row, read(closing[0], &byte, 1), 1);
    wait_until_busy(pid, servers[i].floods);
    check_number(row, waitpid(pid, &status, WNOHANG), 0);
    began = base_now_usec();
    check_number(row, sigqueue(pid, SIGRTMIN, value), 0);
    check_number(row, waitpid(pid, &status, 0), pid);
    check_elapsed(row, began, 0, 100 + SLACK_MS);
    if (how == KICK_KILL)
        check_true(row, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    else
        check_number(row, status,
                     W_EXITCODE(servers[i].is_closing ? SESSION_OK : SESSION_KICKED, 0));
    if (flood > 0)
        check_number(row, waitpid(flood, NULL, 0), flood);
    pair_close(&pair);
}

static void test_whatever_it_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(servers); i++)
        if (!servers[i].is_closing)
            for (int how = KICK_CLOSE; how <= KICK_KILL; how++)
                check_server(i, (enum kick_how)how);
}

// The result is what it was when the close began.
static void test_while_closing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(servers); i++)
        if (servers[i].is_closing)
            check_server(i, KICK_CLOSE);
}

static void test_reset(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct pair pair = pair_open((enum pair_kind)kind);
        struct tcpd_session session = open_session(&pair, N);
        uint8_t byte;

        order(N, KICK_RESET);
        check_true(row, session_kick_has_come() && session_kick_resets());
        check_number(row, recv(pair.client, &byte, 1, 0), kind == PAIR_TCP ? -1 : 0);
        if (kind == PAIR_TCP)
            check_number(row, errno, ECONNRESET);
        check_number(row, tcpd_read(&session, &byte, 1), -1);
        check_number(row, session.result, SESSION_KICKED);
        session_close(&session);
        pair.server = -1;
        pair_close(&pair);
        session_kick_forget();
    }
}

static int take_signal(void **state)
{
    (void)state;
    return pipe(closing) < 0 ? -1 : session_kick_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_other_signals),
        cmocka_unit_test(test_whatever_it_does),
        cmocka_unit_test(test_while_closing),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, take_signal, NULL);
}
