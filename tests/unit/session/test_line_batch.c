// SPDX-License-Identifier: MIT
// line_batch.c and session_record.c: how many lines a record has, and what it says of them; a
// record of a page as a line, whatever is in it.

#include <netinet/in.h>

#include "log/log_private.h"
#include "session/line_batch.h"
#include "session/session_record.h"
#include "unit.h"

#define NAME "echo 127.0.0.1:7007"

static const struct {
    const char *name;
    unsigned n;       // lines to add
    size_t n_peer;    // length of their peer
    unsigned want;    // that have room
    unsigned n_fails; // of these, ended badly
    int priority;
} rows[] = {
    {"one", 1, 15, 1, 0, LOG_INFO},         {"some", 20, 15, 20, 0, LOG_INFO},
    {"one bad", 20, 15, 20, 1, LOG_NOTICE}, {"full", 32, 15, 32, 0, LOG_INFO},
    {"one more", 33, 15, 32, 0, LOG_INFO},  {"long ones", 33, ADDRESS_TEXT_MAX - 1, 6, 0, LOG_INFO},
};

static struct session_line make_line(const char *peer, unsigned i)
{
    return (struct session_line){.end_realtime_usec = 1000 + (i ^ 1), // pairs change places
                                 .peer = peer,
                                 .result = "ok",
                                 .wait_usec = SESSION_LINE_UNKNOWN,
                                 .pid = 7,
                                 .number = i + 1};
}

// Adds the row's lines; how many had room.
static unsigned fill(struct line_batch *batch, size_t row)
{
    char peer[ADDRESS_TEXT_MAX] = "";
    unsigned n = 0;

    memset(peer, 'x', rows[row].n_peer);
    for (unsigned i = 0; i < rows[row].n; i++) {
        struct session_line line = make_line(peer, i);

        n += line_batch_add(batch, &line, i < rows[row].n_fails ? LOG_NOTICE : LOG_INFO);
    }
    return n;
}

static void check_field(const char *row, const struct line_record *record, size_t i,
                        const char *name, const char *value)
{
    check_text(row, record->fields[i].name, name);
    check_text(row, record->fields[i].value, value);
}

static void check_record(const char *row, const struct line_batch *batch, unsigned n)
{
    struct line_record record;
    char want[64];

    log_target.is_journal = false;
    line_batch_record(batch, &record);
    check_number(row, record.n_fields, 0);
    log_target.is_journal = true;
    line_batch_record(batch, &record);
    log_target.is_journal = false;
    (void)snprintf(want, sizeof(want), NAME ": %u session%s", n, n == 1 ? "" : "s");
    check_text(row, record.lines.head, want);
    check_text(row, record.lines.name, NAME);
    check_number(row, record.lines.n, n);
    check_number(row, record.lines.size, batch->used);
    check_true(row, strlen(want) + 1 + record.lines.size <= 4000);
    check_number(row, record.n_fields, 5);
    check_field(row, &record, 0, "TCPD_SERVICE", "echo");
    check_field(row, &record, 1, "TCPD_LISTENER", "127.0.0.1:7007");
    (void)snprintf(want, sizeof(want), "%u", n);
    check_field(row, &record, 2, "TCPD_SESSIONS", want);
    check_field(row, &record, 3, "TCPD_FIRST_USEC", n == 1 ? "1001" : "1000");
}

// Each line is there, whole and in order.
static void check_lines(const char *row, const struct line_batch *batch, unsigned n)
{
    static char text[LOG_LINES_MAX + 1];
    char *rest = text, *line;

    memcpy(text, batch->bytes, batch->used);
    text[batch->used] = '\0';
    for (unsigned i = 0; i < n; i++) {
        struct session_line got;

        line = strsep(&rest, "\n");
        check_true(row, line && session_line_parse(line, &got) == 0);
        check_number(row, got.number, i + 1);
    }
    check_text(row, rest, "");
}

static void test_batches(void **state)
{
    static struct line_batch batch = {.name = NAME, .service = "echo"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        check_number(rows[i].name, fill(&batch, i), rows[i].want);
        check_number(rows[i].name, batch.n, rows[i].want);
        check_number(rows[i].name, batch.priority, rows[i].priority);
        check_record(rows[i].name, &batch, rows[i].want);
        check_lines(rows[i].name, &batch, rows[i].want);
        line_batch_clear(&batch);
        check_number(rows[i].name, batch.n, 0);
    }
}

static const struct {
    const char *name;
    struct recent_record record;
    enum log_addresses addresses;
    const char *text;
} records[] = {
    {"IPv4",
     {.end_realtime_usec = 1,
      .duration_usec = 412,
      .received = 5,
      .sent = 6,
      .ip = {192, 0, 2, 7},
      .wait_usec = 1000,
      .port = 0x7cbe, // 48764
      .family = AF_INET,
      .result = SESSION_OK},
     LOG_ADDRESSES_FULL,
     "1970-01-01T00:00:00.000001Z 192.0.2.7:48764 ok 0.000412s 5B in 6B out wait 0.001s 0.9"},
    {"masked",
     {.ip = {192, 0, 2, 7}, .port = 0x7cbe, .family = AF_INET, .result = SESSION_RESET},
     LOG_ADDRESSES_MASKED,
     "1970-01-01T00:00:00.000000Z 192.0.2.0:0 reset_by_peer 0.000000s 0B in 0B out wait 0.000s "
     "0.9"},
    {"hidden",
     {.ip = {192, 0, 2, 7}, .family = AF_INET, .wait_usec = RECENT_UNKNOWN},
     LOG_ADDRESSES_NONE,
     "1970-01-01T00:00:00.000000Z - ok 0.000000s 0B in 0B out wait - 0.9"},
    {"IPv6",
     {.ip = {0x20, 1, 0xd, 0xb8, [15] = 1}, .port = 0x0700, .family = AF_INET6},
     LOG_ADDRESSES_FULL,
     "1970-01-01T00:00:00.000000Z [2001:db8::1]:7 ok 0.000000s 0B in 0B out wait 0.000s 0.9"},
    {"unix",
     {.family = AF_UNIX, .result = SESSION_IDLE_TIMEOUT},
     LOG_ADDRESSES_FULL,
     "1970-01-01T00:00:00.000000Z unix: idle_timeout 0.000000s 0B in 0B out wait 0.000s 0.9"},
    {"nobody",
     {.family = AF_UNSPEC},
     LOG_ADDRESSES_FULL,
     "1970-01-01T00:00:00.000000Z - ok 0.000000s 0B in 0B out wait 0.000s 0.9"},
    {"no result",
     {.family = AF_UNIX, .result = SESSION_RESULTS},
     LOG_ADDRESSES_FULL,
     "1970-01-01T00:00:00.000000Z unix: unknown 0.000000s 0B in 0B out wait 0.000s 0.9"},
    {"none at all",
     {.family = AF_UNIX, .result = 255},
     LOG_ADDRESSES_FULL,
     "1970-01-01T00:00:00.000000Z unix: unknown 0.000000s 0B in 0B out wait 0.000s 0.9"},
};

// The name of a listener is cut, so that a full record is still one that journald shows whole.
static void test_long_name(void **state)
{
    static char name[72 + ADDRESS_TEXT_MAX] = "echo unix:/";
    struct line_batch batch = {.name = name, .service = "echo", .used = LOG_LINES_MAX, .n = 32};
    struct line_record record;

    (void)state;
    while (strlen(name) + 4 < sizeof(name))
        strcat(name, "\\xff");
    log_target.is_journal = true;
    line_batch_record(&batch, &record);
    log_target.is_journal = false;
    check_true("all of it", strlen(record.lines.head) + 1 + record.lines.size <= 4000);
    check_text("its end", strstr(record.lines.head, ": "), ": 32 sessions");
    check_number(
        "whole escapes",
        (strstr(record.lines.head, ": ") - record.lines.head - (ptrdiff_t)strlen("echo unix:/")) %
            4,
        0);
}

static void test_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(records); i++) {
        struct recent_record record = records[i].record;
        char peer[ADDRESS_TEXT_MAX], text[SESSION_LINE_MAX];
        struct session_line line;

        record.number = 9;
        session_record_line(&record, records[i].addresses, peer, &line);
        (void)session_line_format(&line, text);
        check_text(records[i].name, text, records[i].text);
    }
}

// What the worker knows of a session goes into its record and comes out of its line.
static void test_make(void **state)
{
    static const struct service service = {.slow_usec = 5000};
    struct tcpd_session session = {.service = &service, .fd = -1};
    struct sockaddr_in *peer = (struct sockaddr_in *)&session.peer.storage;
    struct recent_record record;
    struct timespec now;

    (void)state;
    *peer = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = htonl(0x7f000001)};
    session.started_usec = 100;
    session.ended_usec = 5100;
    session.bytes_in = 3;
    session.bytes_out = 4;
    session.number = UINT64_C(0x100000002);
    session.result = SESSION_FAILED;
    session.wait_usec = USEC_NEVER;
    session.reply_usec = UINT64_MAX - 1;
    session_record_make(&session, &record);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    check_true("now", record.end_realtime_usec / USEC_PER_SEC + 60 > (uint64_t)now.tv_sec &&
                          record.end_realtime_usec / USEC_PER_SEC <= (uint64_t)now.tv_sec);
    check_number("duration", record.duration_usec, 5000);
    check_number("received", record.received, 3);
    check_number("sent", record.sent, 4);
    check_number("number", record.number, 2);
    check_number("result", record.result, SESSION_FAILED);
    check_true("wait", record.wait_usec == RECENT_UNKNOWN);
    check_true("reply", record.reply_usec == RECENT_UNKNOWN - 1);
    check_number("family", record.family, AF_INET);
    check_number("port", record.port, htons(7));
    check_bytes("ip", record.ip, 5, "\x7f\0\0\1\0", 5);
    check_true("slow", session_is_slow(&service, 5000));
    check_true("not slow", !session_is_slow(&service, 4999));
    check_true("none is", !session_is_slow(&(struct service){0}, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
