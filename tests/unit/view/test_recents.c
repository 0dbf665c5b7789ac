// SPDX-License-Identifier: MIT
// recents.c: answers of several pages as one list, the last session first.

#include <sys/socket.h>

#include "unit.h"
#include "view/recents.h"

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

static const struct {
    unsigned pid;
    uint64_t number, end;
} rows[] = {{300, 1, 50}, {200, 9, 70}, {200, 8, 70}, {100, 1, 60}, {300, 2, 70}};

static const size_t in_order[] = {1, 2, 4, 3, 0};

static void add_page(struct recents *recents, size_t from, size_t to, uint64_t next)
{
    sd_bus_message *message = NULL;
    uint64_t found = 0;

    assert_true(sd_bus_message_new_signal(bus, &message, "/a", "a.b", "C") >= 0);
    assert_true(sd_bus_message_open_container(message, 'a', "(utssstttttts)") >= 0);
    for (size_t i = from; i < to; i++)
        assert_true(sd_bus_message_append(message, "(utssstttttts)", rows[i].pid, rows[i].number,
                                          "echo", "127.0.0.1:7", "192.0.2.7:1", rows[i].end,
                                          UINT64_C(2), UINT64_MAX, UINT64_C(4), UINT64_C(5),
                                          UINT64_C(6), "idle timeout") >= 0);
    assert_true(sd_bus_message_close_container(message) >= 0);
    assert_true(sd_bus_message_append(message, "t", next) >= 0);
    assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
    assert_true(sd_bus_message_rewind(message, 1) >= 0);
    check_number("read", recents_read(message, recents, &found), 0);
    check_number("next", found, next);
    (void)sd_bus_message_unref(message); // the texts stay all the same
}

static void test_read(void **state)
{
    struct recents recents = {0};

    (void)state;
    recents_sort(&recents);
    add_page(&recents, 0, 2, 17);
    add_page(&recents, 2, 2, 18);
    add_page(&recents, 2, ELEMENTS(rows), 0);
    recents_sort(&recents);
    check_number("all", recents.n, ELEMENTS(rows));
    for (size_t i = 0; i < recents.n; i++) {
        const struct recent_row *row = &recents.rows[i];

        check_number("pid", row->pid, rows[in_order[i]].pid);
        check_number("number", row->number, rows[in_order[i]].number);
        check_number("end", row->end_usec, rows[in_order[i]].end);
        check_text("service", row->service, "echo");
        check_text("listener", row->listener, "127.0.0.1:7");
        check_text("peer", row->peer, "192.0.2.7:1");
        check_text("result", row->result, "idle timeout");
        check_number("duration", row->duration_usec, 2);
        check_true("wait", row->wait_usec == RECENTS_UNKNOWN);
        check_number("reply", row->reply_usec, 4);
        check_number("received", row->received, 5);
        check_number("sent", row->sent, 6);
    }
    recents_done(&recents);
    check_true("done", !recents.rows && recents.n == 0);
}

static void test_read_another(void **state)
{
    struct recents recents = {0};
    sd_bus_message *message = NULL;
    uint64_t next;

    (void)state;
    assert_true(sd_bus_message_new_signal(bus, &message, "/a", "a.b", "C") >= 0);
    assert_true(sd_bus_message_append(message, "a{sv}t", 0, UINT64_C(0)) >= 0);
    assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
    assert_true(sd_bus_message_rewind(message, 1) >= 0);
    check_true("of another kind", recents_read(message, &recents, &next) < 0);
    (void)sd_bus_message_unref(message);
    recents_done(&recents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_another),
    };

    return cmocka_run_group_tests(tests, open_bus, close_bus);
}
