// SPDX-License-Identifier: MIT
// sessions.c: answers of several pages as one list, its orders, and the names of sessions.

#include <sys/socket.h>

#include "unit.h"
#include "view/sessions.h"

static sd_bus *bus;

// A connection that goes nowhere.
static int open_bus(void **state)
{
    static int fds[2];

    (void)state;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fds[0], fds[0]) < 0)
        return -1;
    return sd_bus_start(bus) < 0 ? -1 : 0;
}

static int close_bus(void **state)
{
    (void)state;
    bus = sd_bus_close_unref(bus);
    return 0;
}

static const struct row {
    unsigned pid;
    uint64_t number, age, received, sent;
} rows[] = {{300, 1, 50, 7, 100}, {200, 9, 70, 7, 300}, {200, 8, 70, 9, 200}, {100, 0, 10, 0, 400}};

static sd_bus_message *make_page(size_t from, size_t to, uint64_t next)
{
    sd_bus_message *message = NULL;

    assert_true(sd_bus_message_new_signal(bus, &message, "/a", "a.b", "C") >= 0);
    assert_true(sd_bus_message_open_container(message, 'a', "(utsssstsbtttt)") >= 0);
    for (size_t i = from; i < to; i++)
        assert_true(sd_bus_message_append(message, "(utsssstsbtttt)", rows[i].pid, rows[i].number,
                                          "echo", "127.0.0.1:7", "192.0.2.7:1", "", UINT64_C(5),
                                          "reading", 1, rows[i].received, rows[i].sent, rows[i].age,
                                          UINT64_C(3)) >= 0);
    assert_true(sd_bus_message_close_container(message) >= 0);
    assert_true(sd_bus_message_append(message, "t", next) >= 0);
    assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
    assert_true(sd_bus_message_rewind(message, 1) >= 0);
    return message;
}

static void add_page(struct sessions *sessions, size_t from, size_t to, uint64_t next)
{
    sd_bus_message *message = make_page(from, to, next);
    uint64_t found = 0;

    check_number("read", sessions_read(message, sessions, &found), 0);
    check_number("next", found, next);
    (void)sd_bus_message_unref(message); // the texts stay all the same
}

static void test_read(void **state)
{
    struct sessions sessions = {0};

    (void)state;
    add_page(&sessions, 0, 3, 17);
    add_page(&sessions, 0, 0, 18);
    add_page(&sessions, 3, 4, 0);
    check_number("all", sessions.n, ELEMENTS(rows));
    for (size_t i = 0; i < sessions.n; i++) {
        const struct session_row *row = &sessions.rows[i];

        check_number("pid", row->pid, rows[i].pid);
        check_number("number", row->number, rows[i].number);
        check_text("service", row->service, "echo");
        check_text("listener", row->listener, "127.0.0.1:7");
        check_text("peer", row->peer, "192.0.2.7:1");
        check_text("through", row->through, "");
        check_text("doing", row->doing, "reading");
        check_true("peer_ended", row->peer_ended);
        check_number("since", row->since_usec, 5);
        check_number("received", row->received, rows[i].received);
        check_number("sent", row->sent, rows[i].sent);
        check_number("age", row->age_usec, rows[i].age);
        check_number("turns", row->turns, 3);
    }
    sessions_done(&sessions);
    check_true("done", !sessions.rows && sessions.n == 0);
}

static void test_read_another(void **state)
{
    struct sessions sessions = {0};
    sd_bus_message *message = NULL;
    uint64_t next;

    (void)state;
    assert_true(sd_bus_message_new_signal(bus, &message, "/a", "a.b", "C") >= 0);
    assert_true(sd_bus_message_append(message, "s", "no list") >= 0);
    assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
    assert_true(sd_bus_message_rewind(message, 1) >= 0);
    check_true("of another kind", sessions_read(message, &sessions, &next) < 0);
    (void)sd_bus_message_unref(message);
    sessions_done(&sessions);
}

// Their numbers, in order.
static const struct {
    const char *name;
    enum sessions_order order;
    uint64_t want[ELEMENTS(rows)];
} orders[] = {
    {"by age", SESSIONS_BY_AGE, {8, 9, 1, 0}},
    {"by bytes in", SESSIONS_BY_IN, {8, 9, 1, 0}},
    {"by bytes out", SESSIONS_BY_OUT, {0, 9, 8, 1}},
};

static void test_sort(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(orders); i++) {
        struct sessions sessions = {0};

        sessions_sort(&sessions, orders[i].order);
        add_page(&sessions, 0, ELEMENTS(rows), 0);
        sessions_sort(&sessions, orders[i].order);
        for (size_t k = 0; k < sessions.n; k++)
            check_number(orders[i].name, sessions.rows[k].number, orders[i].want[k]);
        sessions_done(&sessions);
    }
}

static const struct {
    const char *text;
    uint32_t pid; // 0: it is none
    uint64_t number;
} ids[] = {
    {"48211.317", 48211, 317},
    {"1.1", 1, 1},
    {"2147483647.18446744073709551615", INT32_MAX, UINT64_MAX},
    {"", 0, 0},
    {"1", 0, 0},
    {"1.", 0, 0},
    {".1", 0, 0},
    {".", 0, 0},
    {"-1.5", 0, 0},
    {"1.-5", 0, 0},
    {"+1.5", 0, 0},
    {" 1.5", 0, 0},
    {"1. 5", 0, 0},
    {"1.5 ", 0, 0},
    {"1.5.6", 0, 0},
    {"0.5", 0, 0},
    {"5.0", 0, 0},
    {"0x1.5", 0, 0},
    {"2147483648.1", 0, 0},
    {"1.18446744073709551616", 0, 0},
    {"18446744073709551616.1", 0, 0},
    {"1.99999999999999999999999", 0, 0},
};

static void test_ids(void **state)
{
    char text[SESSION_ID_MAX];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(ids); i++) {
        const char *row = ids[i].text;
        uint32_t pid = 0;
        uint64_t number = 0;

        check_number(row, session_id_parse(row, &pid, &number), ids[i].pid > 0);
        if (ids[i].pid == 0)
            continue;
        check_number(row, pid, ids[i].pid);
        check_true(row, number == ids[i].number);
        check_text(row, session_id_format(pid, number, text, sizeof(text)), row);
    }
    check_text("not begun", session_id_format(5, 0, text, sizeof(text)), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_another),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_ids),
    };

    return cmocka_run_group_tests(tests, open_bus, close_bus);
}
