// SPDX-License-Identifier: MIT
// session_refuse(): a reset, or a text that arrives; nobody is waited for, and few are kept (R16).

#include <errno.h>
#include <poll.h>

#include "pair.h"
#include "session/linger.h"
#include "session/session.h"

#define TEXT     "550 not you\r\n"
#define PEERS    40
#define KEPT     16   // at once
#define PATIENCE 5000 // milliseconds
#define AT_ONCE  100

// What the client gets up to the end: its length, or -1 and errno.
static ssize_t read_all(int fd, char *text, size_t size)
{
    struct pollfd peer = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    ssize_t r;

    do {
        if (poll(&peer, 1, PATIENCE) != 1)
            fail_msg("no end within %d ms", PATIENCE);
        r = recv(fd, text + n, size - n, 0);
        n += r > 0 ? (size_t)r : 0;
    } while (r > 0);
    return r < 0 ? -1 : (ssize_t)n;
}

static void wait_for_none(void)
{
    uint64_t end = base_now_usec() + PATIENCE * USEC_PER_MSEC;

    while (linger_has_any() && base_now_usec() < end)
        (void)poll(NULL, 0, 10); // the timer's signal ends it
    check_true("none is kept", !linger_has_any());
}

static void test_reset(void **state)
{
    char text[64];

    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        struct pair pair = pair_open(PAIR_TCP);

        if (sends)
            check_number("send", send(pair.client, "x", 1, 0), 1);
        session_refuse(pair.server, NULL);
        check_number("reset", read_all(pair.client, text, sizeof(text)), -1);
        check_number("reset", errno, ECONNRESET);
        check_true("not kept", !linger_has_any());
        base_close_fd(&pair.client);
    }
}

// A close with unread input would be a reset, which destroys the text on its way.
static void test_text(void **state)
{
    static char unread[30000];
    char text[64];

    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        struct pair pair = pair_open(PAIR_TCP);
        ssize_t n;

        if (sends)
            check_number("send", send(pair.client, unread, sizeof(unread), 0), sizeof(unread));
        session_refuse(pair.server, TEXT);
        n = read_all(pair.client, text, sizeof(text));
        check_number("text", n, sizeof(TEXT) - 1);
        check_bytes("text", text, (size_t)n, TEXT, sizeof(TEXT) - 1);
        base_close_fd(&pair.client);
        wait_for_none();
    }
}

// Clients that never end: the first have the text, the others a reset, and none takes time.
static void test_bound(void **state)
{
    struct pair pairs[PEERS];
    char text[64];
    unsigned n_texts = 0, n_resets = 0;
    uint64_t began;

    (void)state;
    for (size_t i = 0; i < PEERS; i++)
        pairs[i] = pair_open(PAIR_TCP);
    began = used_usec();
    for (size_t i = 0; i < PEERS; i++)
        session_refuse(pairs[i].server, TEXT);
    check_true("at once", used_usec() - began < AT_ONCE * USEC_PER_MSEC);
    for (size_t i = 0; i < PEERS; i++) {
        ssize_t n = read_all(pairs[i].client, text, sizeof(text));

        n_texts += n == sizeof(TEXT) - 1;
        n_resets += n < 0 && errno == ECONNRESET;
    }
    check_number("one or the other", n_texts + n_resets, PEERS);
    check_true("few are kept", n_texts >= KEPT && n_resets > 0);
    wait_for_none();
    for (size_t i = 0; i < PEERS; i++)
        base_close_fd(&pairs[i].client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
