// SPDX-License-Identifier: MIT
// log_kept.c, log.c: several lines as one record of the journal, byte for byte, and as lines of
// text, which a reader that does not keep up gets whole or not at all.

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "log/log_private.h"
#include "unit.h"

static int reader; // of standard error
static int saved;  // what that was before, and is again when a test has ended

// Standard error is a pipe that holds one page.
static int open_pipe(void **state)
{
    int ends[2];

    (void)state;
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (pipe2(ends, O_CLOEXEC) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    (void)close(ends[1]);
    reader = ends[0];
    if (fcntl(reader, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    return fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096) == 4096 ? 0 : -1;
}

static int close_pipe(void **state)
{
    (void)state;
    (void)close(reader);
    (void)dup2(saved, STDERR_FILENO);
    return close(saved);
}

static size_t read_text(char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;

    while ((n = read(reader, text + used, size - used - 1)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    return used;
}

static const struct {
    const char *name, *bytes;
    unsigned n;
    bool levels;
    const char *text;  // as lines
    const char *value; // of MESSAGE
} rows[] = {
    {"one", "a b\n", 1, false, "tcpd: echo *:7: a b\n", "head\na b"},
    {"three", "a\nb\nc\n", 3, false, "tcpd: echo *:7: a\ntcpd: echo *:7: b\ntcpd: echo *:7: c\n",
     "head\na\nb\nc"},
    {"levels", "a\nb\n", 2, true, "<5>tcpd: echo *:7: a\n<5>tcpd: echo *:7: b\n", "head\na\nb"},
    {"an empty line", "a\n\nb\n", 3, false,
     "tcpd: echo *:7: a\ntcpd: echo *:7: \ntcpd: echo *:7: b\n", "head\na\n\nb"},
};

static struct log_lines make_lines(const char *bytes, unsigned n)
{
    return (struct log_lines){"head", "echo *:7", bytes, strlen(bytes), n};
}

static void test_entry(void **state)
{
    static const struct log_field field = {.name = "TCPD_SESSIONS", .value = "3"};
    static const char rest[] = "PRIORITY=5\nSYSLOG_IDENTIFIER=tcpd\nTCPD_SESSIONS=3\n";

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct log_lines lines = make_lines(rows[i].bytes, rows[i].n);
        const struct log_message message = {LOG_OWN, LOG_NOTICE, EVENT_NONE, &field,
                                            1,       lines.head, &lines};
        char bytes[1000], want[1000];
        struct log_room room = {.bytes = bytes, .limit = sizeof(bytes)};
        uint64_t length = htole64(strlen(rows[i].value));
        size_t n = (size_t)sprintf(want, "MESSAGE\n");

        memcpy(want + n, &length, sizeof(length));
        n += sizeof(length);
        n += (size_t)sprintf(want + n, "%s\n%s", rows[i].value, rest);
        log_add_entry(&room, &message);
        check_bytes(rows[i].name, bytes, room.used, want, n);
    }
}

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct log_lines lines = make_lines(rows[i].bytes, rows[i].n);
        char text[4096];

        log_target.levels = rows[i].levels;
        check_number(rows[i].name, log_keep_lines(LOG_NOTICE, EVENT_NONE, NULL, 0, &lines),
                     lines.n);
        check_number(rows[i].name, log_kept_lines(), lines.n);
        check_number("nothing yet", read_text(text, sizeof(text)), 0);
        check_number(rows[i].name, log_write_kept(false), 0);
        (void)read_text(text, sizeof(text));
        check_text(rows[i].name, text, rows[i].text);
        check_number(rows[i].name, log_kept_lines(), 0);
        check_number(rows[i].name, log_write_lines(LOG_NOTICE, EVENT_NONE, NULL, 0, &lines),
                     lines.n);
        (void)read_text(text, sizeof(text));
        check_text(rows[i].name, text, rows[i].text);
    }
    log_target.levels = false;
}

// What is too long is cut, in a field and in a message, neither within a character nor within an
// escape.
static void test_cut(void **state)
{
    static const char *const ends[] = {"\xc3\xa9", "\\xff"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(ends); i++)
        for (size_t room = 1; room < strlen(ends[i]); room++) {
            struct log_field field;
            char value[256] = "", message[2048] = "", text[2048], want[2048];

            memset(value, 'x', sizeof(field.value) - 1 - room);
            strcat(value, ends[i]);
            log_field_set(&field, "TCPD_X", value);
            check_number(ends[i], strlen(field.value), sizeof(field.value) - 1 - room);

            memset(message, 'x', LOG_TEXT_MAX - 1 - room);
            (void)sprintf(want, "tcpd: %s\n", message);
            strcat(message, ends[i]);
            check_true(ends[i], log_keep(LOG_INFO, EVENT_NONE, NULL, 0, "%s%s", message, "more"));
            check_number(ends[i], log_write_kept(false), 0);
            (void)read_text(text, sizeof(text));
            check_text(ends[i], text, want);
        }
}

// As many lines as there are, each of its own number.
static void make_many(char *bytes, unsigned n, unsigned length)
{
    for (unsigned i = 0; i < n; i++)
        bytes += sprintf(bytes, "%0*u\n", (int)length, i);
}

// Whole lines, from the first on; how many.
static unsigned count_lines(const char *text, unsigned length)
{
    unsigned n = 0;

    while (*text != '\0') {
        char want[256];
        int size = sprintf(want, "tcpd: echo *:7: %0*u\n", (int)length, n);

        check_bytes("a line", text, strnlen(text, (size_t)size), want, (size_t)size);
        text += size;
        n++;
    }
    return n;
}

// Nobody reads: what the pipe has no room for is kept, as far as that goes, and what is dropped is
// counted by lines.
static void test_stalled(void **state)
{
    static char bytes[LOG_LINES_MAX], text[16384];
    struct log_lines lines;
    unsigned n_kept, n_out;

    (void)state;
    make_many(bytes, 32, 100);
    lines = make_lines(bytes, 32);
    check_number("the first", log_keep_lines(LOG_INFO, EVENT_NONE, NULL, 0, &lines), 32);
    check_number("fit into a pipe", log_write_kept(false), 0);
    n_kept = log_keep_lines(LOG_INFO, EVENT_NONE, NULL, 0, &lines);
    check_number("fit into memory", n_kept, 32);
    check_true("find no way out", log_write_kept(false) < 0);
    n_kept += log_keep_lines(LOG_INFO, EVENT_NONE, NULL, 0, &lines);
    check_true("have no room", n_kept < 64);
    check_number("are there", log_kept_lines(), n_kept);
    (void)read_text(text, sizeof(text));
    check_number("whole", count_lines(text, 100), 32);
    check_number("go on", log_write_kept(false), 0);
    check_number("all", log_kept_lines(), 0);
    (void)read_text(text, sizeof(text));
    text[32 * (size_t)(sizeof("tcpd: echo *:7: \n") - 1 + 100)] = '\0';
    check_number("whole", count_lines(text, 100), 32);

    (void)log_keep_lines(LOG_INFO, EVENT_NONE, NULL, 0, &lines);
    (void)log_keep(LOG_INFO, EVENT_NONE, NULL, 0, "another");
    check_number("dropped", log_drop_kept(), 33);
    check_number("dropped", log_kept_lines(), 0);

    n_out = log_write_lines(LOG_INFO, EVENT_NONE, NULL, 0, &lines);
    check_number("at once", n_out, 32);
    n_out = log_write_lines(LOG_INFO, EVENT_NONE, NULL, 0, &lines);
    check_number("nowhere to go", n_out, 0);
    (void)read_text(text, sizeof(text));
    check_number("whole", count_lines(text, 100), 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry),
        cmocka_unit_test_setup_teardown(test_cut, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_text, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_stalled, open_pipe, close_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
