// SPDX-License-Identifier: MIT
// proxy_reader.c over socket pairs: each header of the table cut at each place and a byte at a
// time, with every byte behind it left in the socket; deadlines by the clock; senders that end.

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "pair.h"
#include "proxy_vectors.h"
#include "session/proxy_reader.h"

#define TEXT_SIZE  512
#define PAYLOAD    "PROXY TCP4 9.9.9.9 9.9.9.9 1 2\r\n" // a second header is none (V26)
#define LONG_BYTES 300                                  // longer headers are cut at the ends only

static const char *say(enum proxy_read read, const struct proxy_reader *reader, char *text,
                       size_t size)
{
    switch (read) {
    case PROXY_READ_WAIT:
        return "more";
    case PROXY_READ_ENDED:
        return "ended";
    case PROXY_READ_FAILED:
        return "failed";
    case PROXY_READ_BAD:
        return vector_say(PROXY_BAD, &reader->header, text, size);
    case PROXY_READ_WHOLE:
        break;
    }
    return vector_say(PROXY_DONE, &reader->header, text, size);
}

static void check_read(const char *row, enum proxy_read read, const struct proxy_reader *reader,
                       const char *want)
{
    char text[TEXT_SIZE];

    check_text(row, say(read, reader, text, sizeof(text)), want);
}

static void give(const char *row, int fd, const void *data, size_t size)
{
    check_number(row, send(fd, data, size, MSG_NOSIGNAL), size);
}

// So that what was sent over TCP is there.
static void wait_for_bytes(const char *row, int fd, size_t size)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int n = 0;

    while (ioctl(fd, FIONREAD, &n) == 0 && (size_t)n < size)
        check_true(row, poll(&poll_fd, 1, 5000) == 1);
}

// What is left in the socket is what was sent behind the header.
static void check_rest(const char *row, int fd, const uint8_t *want, size_t n_want)
{
    static uint8_t rest[2 * VECTOR_MAX];
    size_t n = 0;

    while (n < n_want) {
        ssize_t r = recv(fd, rest + n, sizeof(rest) - n, MSG_DONTWAIT);

        check_true(row, r > 0);
        n += (size_t)r;
    }
    check_bytes(row, rest, n, want, n_want);
    check_number(row, recv(fd, rest, 1, MSG_DONTWAIT), -1);
}

static void check_untouched(const char *row, int fd)
{
    struct timeval timeout = {.tv_sec = 99};
    int low = 0;

    check_number(
        row, getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &(socklen_t){sizeof(timeout)}), 0);
    check_number(row, timeout.tv_sec + timeout.tv_usec, 0);
    check_number(row, getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &(socklen_t){sizeof(low)}), 0);
    check_number(row, low, 1);
}

// Sends the vector and a payload in pieces, the first of `cut` bytes, the others of `piece`.
static void read_pieces(enum pair_kind kind, const struct proxy_vector *row, const uint8_t *data,
                        size_t n, size_t cut, size_t piece)
{
    static struct proxy_reader reader;
    struct pair pair = pair_open(kind);
    enum proxy_read read = PROXY_READ_WAIT;
    size_t sent = 0;
    char name[96];

    (void)snprintf(name, sizeof(name), "%s, %s, cut at %zu", row->name, pair_names[kind], cut);
    proxy_reader_open(&reader, PROXY_ANY_VERSION);
    while (read == PROXY_READ_WAIT && sent < n) {
        size_t size = sent == 0 ? cut : piece < n - sent ? piece : n - sent;

        give(name, pair.client, data + sent, size);
        sent += size;
        wait_for_bytes(name, pair.server, size);
        read = proxy_reader_take(&reader, pair.server);
        check_read(name, read, &reader, sent < row->length ? "more" : row->want);
        check_number(name, reader.n_seen, sent < PROXY_HEADER_MAX ? sent : PROXY_HEADER_MAX);
    }
    check_number(name, read == PROXY_READ_WAIT, 0);
    if (read == PROXY_READ_WHOLE) {
        check_number(name, reader.n_held, row->length);
        check_rest(name, pair.server, data + row->length, sent - row->length);
    }
    check_untouched(name, pair.server);
    pair_close(&pair);
}

// V24, V62 and the like of all others.
static void test_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(proxy_vectors); i++) {
        const struct proxy_vector *row = &proxy_vectors[i];
        uint8_t data[VECTOR_MAX + sizeof(PAYLOAD)];
        size_t n = vector_bytes(row->input, data);

        if (n > PROXY_HEADER_MAX)
            n = PROXY_HEADER_MAX;
        memcpy(data + n, PAYLOAD, strlen(PAYLOAD));
        n += strlen(PAYLOAD);
        for (size_t cut = 1; cut <= n; cut++)
            if (cut < LONG_BYTES || cut + 100 > n)
                read_pieces(PAIR_UNIX, row, data, n, cut, n);
        if (n < LONG_BYTES)
            read_pieces(PAIR_UNIX, row, data, n, 1, 1);
    }
}

static void test_over_tcp(void **state)
{
    static const char *const names[] = {"V1", "V25", "V28", "V44", "V54", "V58", "V21 HTTP"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(proxy_vectors); i++)
        for (size_t j = 0; j < ELEMENTS(names); j++) {
            const struct proxy_vector *row = &proxy_vectors[i];
            uint8_t data[VECTOR_MAX + sizeof(PAYLOAD)];
            size_t n;

            if (strcmp(row->name, names[j]) != 0)
                continue;
            n = vector_bytes(row->input, data);
            memcpy(data + n, PAYLOAD, strlen(PAYLOAD));
            n += strlen(PAYLOAD);
            read_pieces(PAIR_TCP, row, data, n, n, n);
            read_pieces(PAIR_TCP, row, data, n, row->length / 2 + 1, n);
            read_pieces(PAIR_TCP, row, data, n, 1, row->length > LONG_BYTES ? 97 : 1);
        }
}

// --- Senders that are slow, or end ---

struct sender {
    int fd;
    const char *text;
    unsigned every_ms;
    bool ends, resets;
};

static void *send_slowly(void *argument)
{
    const struct sender *sender = argument;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    for (const char *at = sender->text; *at; at++) {
        if (send(sender->fd, at, 1, MSG_NOSIGNAL) != 1)
            return NULL;
        (void)usleep(sender->every_ms * 1000);
    }
    if (sender->ends)
        (void)shutdown(sender->fd, SHUT_WR);
    if (sender->resets) {
        (void)setsockopt(sender->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        (void)close(sender->fd);
    }
    return NULL;
}

static const struct {
    const char *name, *text;
    unsigned every_ms, due_ms, late_ms; // late_ms: when it must be over at the earliest
    bool ends, resets;
    const char *want;
    size_t n_held;
} slow[] = {
    {"V22 in the middle", "PROXY TCP4 192", 0, 20000, 0, true, false, "ended", 14},
    {"V22 at once", "", 0, 20000, 0, true, false, "ended", 0},
    {"V23 nothing", "", 0, 150, 150, false, false, "more", 0},
    {"V23 P", "P", 0, 150, 150, false, false, "more", 1},
    // In 45 pieces it would take a second: each of them begins no new time.
    {"V23 slowly", "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n", 23, 150, 150, false, false,
     "more", SIZE_MAX},
    {"in time", "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n", 2, 20000, 0, false, false,
     "v1 " C4, 45},
    {"HTTP", "GET / HTTP/1.1\r\n", 1, 20000, 0, false, false, "bad not-proxy", 0},
    {"V66 a reset", "PROXY", 0, 20000, 0, false, true, "failed", SIZE_MAX},
};

static void test_time(void **state)
{
    static struct proxy_reader reader;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(slow); i++) {
        struct pair pair = pair_open(PAIR_TCP);
        struct sender sender = {pair.client, slow[i].text, slow[i].every_ms, slow[i].ends,
                                slow[i].resets};
        uint64_t start = base_now_usec();
        enum proxy_read read;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, send_slowly, &sender), 0);
        proxy_reader_open(&reader, PROXY_ANY_VERSION);
        read = proxy_reader_run(&reader, pair.server, start + slow[i].due_ms * USEC_PER_MSEC);
        check_read(slow[i].name, read, &reader, slow[i].want);
        if (slow[i].n_held != SIZE_MAX)
            check_number(slow[i].name, reader.n_held, slow[i].n_held);
        if (slow[i].resets)
            check_number(slow[i].name, reader.error, ECONNRESET);
        check_elapsed(slow[i].name, start, slow[i].late_ms,
                      slow[i].late_ms > 0 ? slow[i].late_ms + LOOSE_MS : 10000);
        check_untouched(slow[i].name, pair.server);
        base_close_fd(&pair.server); // which ends a sender that goes on
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (!slow[i].resets)
            base_close_fd(&pair.client);
    }
}

static void on_signal(int signal)
{
    (void)signal;
}

// A signal ends the wait, so that the worker can see what it was; what was taken is kept.
static void test_signal(void **state)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    const struct itimerval soon = {.it_value.tv_usec = 50000};
    static struct proxy_reader reader;
    struct pair pair = pair_open(PAIR_UNIX);
    uint64_t start = base_now_usec();

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    proxy_reader_open(&reader, PROXY_ANY_VERSION);
    give("signal", pair.client, "PROXY UNK", 9);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    check_read("signal", proxy_reader_run(&reader, pair.server, start + 20 * USEC_PER_SEC), &reader,
               "more");
    check_elapsed("signal", start, 50, 10000);
    give("signal", pair.client, "NOWN\r\nx", 7);
    check_read("signal", proxy_reader_run(&reader, pair.server, start + 20 * USEC_PER_SEC), &reader,
               "unknown");
    check_rest("signal", pair.server, (const uint8_t *)"x", 1);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_over_tcp),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
