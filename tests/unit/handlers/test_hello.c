// SPDX-License-Identifier: MIT
// handlers/hello.c in all three framings: the same answers however the input is cut (T6), what ends
// a conversation, what is too long, and its deadlines.

#include <endian.h>

#include "base/framing.h"
#include "serve.h"

#define MS  USEC_PER_MSEC
#define MAX FRAMING_MESSAGE_MAX

#define C   FRAMING_CHUNK
#define LI  FRAMING_LINE
#define LE  FRAMING_LENGTH
#define BAD SESSION_PROTOCOL_ERROR

// A text with its size, for those with NULs in it.
#define TEXT(text) text, sizeof(text) - 1

#define WELCOME "\0\0\0\x08Welcome!"

static const struct {
    const char *name;
    enum framing framing;
    bool half_close;
    const char *input;
    size_t n_input;
    const char *want;
    size_t n_want;
    enum session_result result;
} rows[] = {
    {"nothing, chunk", C, true, TEXT(""), TEXT("Welcome!"), SESSION_OK},
    {"nothing, line", LI, true, TEXT(""), TEXT("Welcome!\n"), SESSION_OK},
    {"nothing, length", LE, true, TEXT(""), TEXT(WELCOME), SESSION_OK},
    {"a chunk", C, true, TEXT("Michael"), TEXT("Welcome!Hello, Michael!"), SESSION_OK},
    {"sticky chunks", C, true, TEXT("MichaelTracySarah"), TEXT("Welcome!Hello, MichaelTracySarah!"),
     SESSION_OK},
    {"a chunk with a line end", C, true, TEXT("exit\n"), TEXT("Welcome!Hello, exit\n!"),
     SESSION_OK},
    {"exit, chunk", C, false, TEXT("exit"), TEXT("Welcome!"), SESSION_OK},
    {"three lines", LI, true, TEXT("Michael\nTracy\nSarah\n"),
     TEXT("Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n"), SESSION_OK},
    {"CRLF", LI, true, TEXT("a\r\nb\r\n"), TEXT("Welcome!\nHello, a!\nHello, b!\n"), SESSION_OK},
    {"the last line without its end", LI, true, TEXT("a\nb"),
     TEXT("Welcome!\nHello, a!\nHello, b!\n"), SESSION_OK},
    {"an empty line", LI, true, TEXT("\n\r\n"), TEXT("Welcome!\nHello, !\nHello, !\n"), SESSION_OK},
    {"any bytes in a line", LI, true, TEXT("\0\x01\xff\r%s\n"),
     TEXT("Welcome!\nHello, \0\x01\xff\r%s!\n"), SESSION_OK},
    {"exit, line", LI, false, TEXT("a\nexit\nb\n"), TEXT("Welcome!\nHello, a!\n"), SESSION_OK},
    {"exit, CRLF", LI, false, TEXT("exit\r\n"), TEXT("Welcome!\n"), SESSION_OK},
    {"exit, without its end", LI, true, TEXT("exit"), TEXT("Welcome!\n"), SESSION_OK},
    {"no exit, line", LI, true, TEXT("EXIT\nexit \nexi\n"),
     TEXT("Welcome!\nHello, EXIT!\nHello, exit !\nHello, exi!\n"), SESSION_OK},
    {"three lengths", LE, true, TEXT("\0\0\0\3abc\0\0\0\0\0\0\0\2\r\n"),
     TEXT(WELCOME "\0\0\0\x0bHello, abc!\0\0\0\x08Hello, !\0\0\0\x0aHello, \r\n!"), SESSION_OK},
    {"exit, length", LE, false, TEXT("\0\0\0\4exit\0\0\0\1a"), TEXT(WELCOME), SESSION_OK},
    {"length cut in its head", LE, true, TEXT("\0\0\0\1a\0\0"), TEXT(WELCOME "\0\0\0\x09Hello, a!"),
     BAD},
    {"length cut in its body", LE, true, TEXT("\0\0\0\1a\0\0\0\2b"),
     TEXT(WELCOME "\0\0\0\x09Hello, a!"), BAD},
    {"length too long", LE, false, TEXT("\0\0\0\1a\0\1\0\1"), TEXT(WELCOME "\0\0\0\x09Hello, a!"),
     BAD},
    {"the highest length", LE, false, TEXT("\xff\xff\xff\xff"), TEXT(WELCOME), BAD},
};

// A service of that framing, which is not to be changed afterwards.
static struct service make_hello(enum framing framing, const char *delay)
{
    const char *const settings[] = {"framing", framing_names[framing], "delay", delay, NULL};

    return service_make("hello", settings);
}

// In pieces of every size; chunks are what a read returns, so they come in one.
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (size_t piece = rows[i].framing == C ? rows[i].n_input : 1; piece <= rows[i].n_input;
             piece++) {
            struct service service = make_hello(rows[i].framing, "0");
            struct peer peer = {.text = rows[i].input,
                                .n_text = rows[i].n_input,
                                .piece = piece,
                                .half_close = rows[i].half_close};
            struct tcpd_session session = serve_peer((enum pair_kind)(piece % 2), &service, &peer);
            char row[80];

            (void)snprintf(row, sizeof(row), "%s, in pieces of %zu", rows[i].name, piece);
            check_served(row, &session, &peer, rows[i].result, rows[i].want, rows[i].n_want);
            free(peer.got);
            config_service_done(&service);
        }
}

static const struct {
    const char *name;
    enum framing framing;
    size_t n_body; // bytes 'x'
    const char *tail;
    size_t n_answers; // how many messages are answered ...
    size_t answered;  // ... and the length of each
    enum session_result result;
} limits[] = {
    {"chunk of the maximum", C, 1024, "", 1, 1024, SESSION_OK},
    {"two chunks of the maximum", C, 2048, "", 2, 1024, SESSION_OK},
    {"line of the maximum", LI, MAX, "\n", 1, MAX, SESSION_OK},
    {"line of the maximum, CRLF", LI, MAX, "\r\n", 1, MAX, SESSION_OK},
    {"line of the maximum at the end", LI, MAX, "", 1, MAX, SESSION_OK},
    {"line too long", LI, MAX + 1, "\n", 0, 0, BAD},
    {"line much too long", LI, 8 * MAX, "\n", 0, 0, BAD},
    {"line too long at the end", LI, MAX + 1, "", 0, 0, BAD},
    {"length of the maximum", LE, MAX, "", 1, MAX, SESSION_OK},
    {"length too long", LE, MAX + 1, "", 0, 0, BAD},
};

// Appends an answer as it should be.
static size_t put_answer(uint8_t *text, enum framing framing, const char *before, const void *body,
                         size_t n_body, const char *after)
{
    uint32_t size = htobe32((uint32_t)(strlen(before) + n_body + strlen(after)));
    size_t n = 0;

    if (framing == LE)
        n = (size_t)((uint8_t *)mempcpy(text, &size, 4) - text);
    n += (size_t)sprintf((char *)text + n, "%s", before);
    memcpy(text + n, body, n_body);
    n += n_body;
    return n + (size_t)sprintf((char *)text + n, "%s%s", after, framing == LI ? "\n" : "");
}

static void test_limits(void **state)
{
    static uint8_t input[9 * MAX], want[2 * MAX];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(limits); i++) {
        enum framing framing = limits[i].framing;
        uint32_t size = htobe32((uint32_t)limits[i].n_body);
        struct service service = make_hello(framing, "0");
        size_t head = framing == LE ? 4 : 0, n_want;
        struct peer peer = {.text = input, .half_close = true};
        struct tcpd_session session;

        memcpy(input, &size, sizeof(size));
        memset(input + head, 'x', limits[i].n_body);
        memcpy(input + head + limits[i].n_body, limits[i].tail, strlen(limits[i].tail));
        peer.n_text = head + limits[i].n_body + strlen(limits[i].tail);
        n_want = put_answer(want, framing, "Welcome!", "", 0, "");
        for (size_t k = 0; k < limits[i].n_answers; k++)
            n_want += put_answer(want + n_want, framing, "Hello, ", input + head,
                                 limits[i].answered, "!");
        session = serve_peer(PAIR_UNIX, &service, &peer);
        check_served(limits[i].name, &session, &peer, limits[i].result, want, n_want);
        free(peer.got);
        config_service_done(&service);
    }
}

// Ten thousand messages in one go: none is lost where input and output buffers end.
static void test_many(void **state)
{
    static uint8_t input[256 * 1024], want[512 * 1024];

    (void)state;
    for (int framing = LI; framing <= LE; framing++) {
        struct service service = make_hello((enum framing)framing, "0");
        struct peer peer = {.text = input, .half_close = true};
        size_t n_want = put_answer(want, (enum framing)framing, "Welcome!", "", 0, "");
        struct tcpd_session session;

        for (unsigned i = 0; i < 10000; i++) {
            char body[32];
            int n = snprintf(body, sizeof(body), "%u %.*s", i, (int)(i % 17), "0123456789abcdef");

            peer.n_text += put_answer(input + peer.n_text, (enum framing)framing, "", body,
                                      (size_t)n, "");
            n_want += put_answer(want + n_want, (enum framing)framing, "Hello, ", body, (size_t)n,
                                 "!");
        }
        session = serve_peer(PAIR_TCP, &service, &peer);
        check_served(framing_names[framing], &session, &peer, SESSION_OK, want, n_want);
        free(peer.got);
        config_service_done(&service);
    }
}

static const struct {
    const char *name;
    enum framing framing;
    struct deadlines deadlines;
    uint64_t delay_ms;
    const char *input;
    unsigned pause_ms; // before each byte of it
    bool half_close;
    const char *want;
    enum session_result result;
    uint64_t at_least_ms;
} clocks[] = {
    {"a delay before each answer",
     LI,
     {0},
     50,
     "a\nb\nc\n",
     0,
     true,
     "Welcome!\nHello, a!\nHello, b!\nHello, c!\n",
     SESSION_OK,
     150},
    {"no delay before exit", LI, {0}, 5000, "exit\n", 0, false, "Welcome!\n", SESSION_OK, 0},
    {"the session ends in the delay",
     LI,
     {.session_usec = 700 * MS},
     500,
     "a\nb\nc\n",
     0,
     true,
     "Welcome!\nHello, a!\n",
     SESSION_TIMEOUT,
     700},
    {"a line that drips",
     LI,
     {.idle_usec = 100 * MS},
     0,
     "abcdefghijklmnop\n",
     30,
     false,
     "Welcome!\n",
     SESSION_IDLE_TIMEOUT,
     100},
    {"lines that drip",
     LI,
     {.idle_usec = 100 * MS},
     0,
     "a\nb\nc\n",
     20,
     true,
     "Welcome!\nHello, a!\nHello, b!\nHello, c!\n",
     SESSION_OK,
     120},
    {"chunks that drip",
     C,
     {.idle_usec = 100 * MS},
     0,
     "abcdef",
     30,
     true,
     "Welcome!Hello, a!Hello, b!Hello, c!Hello, d!Hello, e!Hello, f!",
     SESSION_OK,
     180},
    {"silence",
     C,
     {.first_byte_usec = 50 * MS},
     0,
     "",
     0,
     false,
     "Welcome!",
     SESSION_FIRST_BYTE_TIMEOUT,
     50},
};

static void test_clocks(void **state)
{
    unsigned n_tries = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(clocks); i++) {
        char delay[16];
        struct service service;
        struct peer peer = {.text = clocks[i].input,
                            .n_text = strlen(clocks[i].input),
                            .piece = clocks[i].pause_ms > 0 ? 1 : 0,
                            .send_pause_ms = clocks[i].pause_ms,
                            .half_close = clocks[i].half_close};
        uint64_t start = base_now_usec();
        struct tcpd_session session;

        if (clocks[i].pause_ms > 0 && clocks[i].framing == FRAMING_CHUNK) {
            peer.greeting = strlen("Welcome!"); // two bytes that arrive together are one chunk
            peer.answer = strlen("Hello, a!");
        }
        (void)snprintf(delay, sizeof(delay), "%ums", (unsigned)clocks[i].delay_ms);
        service = make_hello(clocks[i].framing, delay);
        service.deadlines = clocks[i].deadlines;
        session = serve_peer(PAIR_TCP, &service, &peer);
        config_service_done(&service);
        if ((session.result != clocks[i].result ||
             !is_in_time(start, clocks[i].at_least_ms, clocks[i].at_least_ms + SLACK_MS)) &&
            peer_was_late(&peer) && ++n_tries < MAX_TRIES) {
            free(peer.got);
            i--; // it tells nothing: once more
            continue;
        }
        check_elapsed(clocks[i].name, start, clocks[i].at_least_ms,
                      clocks[i].at_least_ms + SLACK_MS);
        check_served(clocks[i].name, &session, &peer, clocks[i].result, clocks[i].want,
                     strlen(clocks[i].want));
        free(peer.got);
        n_tries = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
