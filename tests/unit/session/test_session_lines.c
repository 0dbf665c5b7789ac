// SPDX-License-Identifier: MIT
// session_handler.c: lines, and what the other ways of reading give out after a line was read,
// which takes more from the socket than it gives. Over unix sockets and over TCP.

#include <fcntl.h>

#include "pair.h"
#include "session/session.h"

#define X16   "0123456789abcdef"
#define X256  X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16
#define X4096 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256
#define LONGEST                                                                                  \
    X4096 X4096 X4096 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 \
        X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 "0123456789abcde"

#define TEXT(text) text, sizeof(text) - 1
#define STEPS      8

enum act { END, LINE, EXACTLY, READ, DISCARD, SPLICE };

struct step {
    enum act act;
    const char *want; // NULL: -1
    size_t size;      // of what is asked for; 0: as long as `want`
};

static const struct {
    const char *name, *text;
    size_t n_text;
    struct step steps[STEPS];
    enum session_result result;
} rows[] = {
    {"nothing", TEXT(""), {{LINE, NULL, 0}}, SESSION_OK},
    {"one", TEXT("one\n"), {{LINE, "one", 0}, {LINE, NULL, 0}}, SESSION_OK},
    {"CRLF",
     TEXT("one\r\ntwo\n"),
     {{LINE, "one", 0}, {LINE, "two", 0}, {LINE, NULL, 0}},
     SESSION_OK},
    {"empty ones",
     TEXT("\n\r\n\n"),
     {{LINE, "", 0}, {LINE, "", 0}, {LINE, "", 0}, {LINE, NULL, 0}},
     SESSION_OK},
    {"without an end",
     TEXT("one\ntwo"),
     {{LINE, "one", 0}, {LINE, "two", 0}, {LINE, NULL, 0}},
     SESSION_OK},
    {"a CR at the end is data", TEXT("one\r"), {{LINE, "one\r", 0}, {LINE, NULL, 0}}, SESSION_OK},
    {"a CR within", TEXT("o\rne\r\r\n"), {{LINE, "o\rne\r", 0}, {LINE, NULL, 0}}, SESSION_OK},
    {"the longest", TEXT(LONGEST "\nx\n"), {{LINE, LONGEST, 0}, {LINE, "x", 0}}, SESSION_OK},
    {"the longest, CRLF",
     TEXT(LONGEST "\r\nx\n"),
     {{LINE, LONGEST, 0}, {LINE, "x", 0}},
     SESSION_OK},
    {"the longest, at the end", TEXT(LONGEST), {{LINE, LONGEST, 0}, {LINE, NULL, 0}}, SESSION_OK},
    {"too long",
     TEXT("a\n" LONGEST "x\nb\n"),
     {{LINE, "a", 0}, {LINE, NULL, 0}, {LINE, NULL, 0}},
     SESSION_PROTOCOL_ERROR},
    {"too long, at the end", TEXT(LONGEST "x"), {{LINE, NULL, 0}}, SESSION_PROTOCOL_ERROR},
    {"much too long",
     TEXT(LONGEST LONGEST "\n"),
     {{LINE, NULL, 0}, {READ, NULL, 10}},
     SESSION_PROTOCOL_ERROR},
    {"twice the buffer",
     TEXT(LONGEST "\n" LONGEST "\n" LONGEST "\n"),
     {{LINE, LONGEST, 0}, {LINE, LONGEST, 0}, {LINE, LONGEST, 0}, {LINE, NULL, 0}},
     SESSION_OK},
    {"exactly, behind a line",
     TEXT("5\nhello5\nworld"),
     {{LINE, "5", 0},
      {EXACTLY, "hello", 0},
      {LINE, "5", 0},
      {EXACTLY, "world", 0},
      {LINE, NULL, 0}},
     SESSION_OK},
    {"exactly, fewer",
     TEXT("5\nhel"),
     {{LINE, "5", 0}, {EXACTLY, "hel", 5}, {EXACTLY, "", 5}},
     SESSION_OK},
    {"exactly, more than was read ahead",
     TEXT("a\n" LONGEST LONGEST),
     {{LINE, "a", 0}, {EXACTLY, LONGEST, 0}, {EXACTLY, LONGEST, 0}, {READ, "", 1}},
     SESSION_OK},
    {"read, behind a line",
     TEXT("a\nbcd"),
     {{LINE, "a", 0}, {READ, "bc", 2}, {READ, "d", 10}, {READ, "", 10}},
     SESSION_OK},
    {"read nothing",
     TEXT("a\nb\n"),
     {{READ, "", 0}, {LINE, "a", 0}, {READ, "", 0}, {LINE, "b", 0}},
     SESSION_OK},
    {"a line behind bytes",
     TEXT("abc\nde\n"),
     {{READ, "ab", 2}, {LINE, "c", 0}, {READ, "d", 1}, {LINE, "e", 0}},
     SESSION_OK},
    {"discard, behind a line",
     TEXT("a\nbcd"),
     {{LINE, "a", 0}, {DISCARD, "bcd", 0}, {DISCARD, "", 0}},
     SESSION_OK},
    {"splice, behind a line",
     TEXT("a\nbcd"),
     {{LINE, "a", 0}, {SPLICE, "bc", 2}, {SPLICE, "d", 10}, {SPLICE, "", 10}},
     SESSION_OK},
};

static ssize_t splice_to(struct tcpd_session *session, char *buffer, size_t size)
{
    int pipe[2];
    ssize_t n;

    assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
    n = tcpd_splice_read(session, pipe[1], size);
    if (n > 0)
        assert_int_equal(read(pipe[0], buffer, size), n);
    base_close_fd(&pipe[0]);
    base_close_fd(&pipe[1]);
    return n;
}

static void check_step(const char *row, struct tcpd_session *session, const struct step *step)
{
    static char buffer[TCPD_BUFFER_SIZE];
    size_t n_want = step->want ? strlen(step->want) : 0;
    size_t size = step->size > 0 ? step->size : n_want;
    char *text = buffer;
    ssize_t n = -2;

    switch (step->act) {
    case LINE:
        n = tcpd_read_line(session, &text);
        break;
    case EXACTLY:
        n = tcpd_read_exactly(session, buffer, size);
        break;
    case READ:
        n = tcpd_read(session, buffer, size);
        break;
    case DISCARD:
        n = tcpd_discard(session);
        break;
    case SPLICE:
        n = splice_to(session, buffer, size);
        break;
    case END:
        break;
    }
    check_number(row, n, step->want ? (ssize_t)n_want : -1);
    if (n > 0 && step->act != DISCARD)
        check_bytes(row, text, (size_t)n, step->want, n_want);
    if (n >= 0 && step->act == LINE)
        check_number(row, text[n], '\0');
}

static void check_row(size_t i, enum pair_kind kind)
{
    static const struct service service = {.name = (char *)(uintptr_t) "test"};
    struct pair pair = pair_open(kind);
    struct tcpd_session session = {.fd = -1};
    char row[80];

    (void)snprintf(row, sizeof(row), "%s, %s", rows[i].name, pair_names[kind]);
    session_init(&session, pair.server, &service);
    session.peer.any.sa_family = kind == PAIR_UNIX ? AF_UNIX : AF_INET;
    check_number(row, send(pair.client, rows[i].text, rows[i].n_text, 0), rows[i].n_text);
    check_number(row, shutdown(pair.client, SHUT_WR), 0);
    for (size_t k = 0; k < STEPS && rows[i].steps[k].act != END; k++)
        check_step(row, &session, &rows[i].steps[k]);
    check_text(row, session_result_names[session.result], session_result_names[rows[i].result]);
    session_close(&session);
    base_close_fd(&pair.client);
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (int kind = 0; kind < PAIR_KINDS; kind++)
            check_row(i, (enum pair_kind)kind);
}

// Nothing of one session is left for the next.
static void test_next_session(void **state)
{
    static const struct service service = {.name = (char *)(uintptr_t) "test"};

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (int i = 0; i < 2; i++) {
            struct pair pair = pair_open((enum pair_kind)kind);
            struct tcpd_session session = {.fd = -1};
            char *line;

            session_init(&session, pair.server, &service);
            check_number(pair_names[kind], send(pair.client, "line\nrest", 9, 0), 9);
            check_number(pair_names[kind], shutdown(pair.client, SHUT_WR), 0);
            check_number(pair_names[kind], tcpd_read_line(&session, &line), 4);
            check_text(pair_names[kind], line, "line");
            session_close(&session);
            base_close_fd(&pair.client);
        }
}

// A pause keeps the session's deadline, and ends at once in a session that has ended.
static void test_pause(void **state)
{
    static const struct service service = {.name = (char *)(uintptr_t) "test",
                                           .deadlines.session_usec = 50 * USEC_PER_MSEC};
    struct pair pair = pair_open(PAIR_UNIX);
    struct tcpd_session session = {.fd = -1};
    uint64_t start = base_now_usec();

    (void)state;
    session_init(&session, pair.server, &service);
    check_number("short", tcpd_pause(&session, 10 * USEC_PER_MSEC), 0);
    check_elapsed("short", start, 10, 5000);
    check_number("for ever", tcpd_pause(&session, TCPD_NEVER), -1);
    check_elapsed("for ever", start, 50, 5000);
    check_number("for ever", session.result, SESSION_TIMEOUT);
    start = base_now_usec();
    check_number("ended", tcpd_pause(&session, 60 * USEC_PER_SEC), -1);
    check_elapsed("ended", start, 0, 5000);
    session_close(&session);
    base_close_fd(&pair.client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_next_session),
        cmocka_unit_test(test_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
