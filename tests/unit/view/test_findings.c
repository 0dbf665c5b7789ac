// SPDX-License-Identifier: MIT
// findings.c: what is found in an answer of GetStatus(), one row a finding; nothing in one that is
// as it should be, or in one of a daemon that says less.

#include "view/findings.h"

#include <sys/socket.h>

#include "unit.h"

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

struct answer {
    const char *state, *reload_problem;
    unsigned queue, old;
    uint64_t throttled_ms, unaccepted_usec;
    int full, paused, resized, is_left_out, has_lack, is_near;
    unsigned backlog;
    const char *node; // NULL: ready
    const char *last_death;
};

static const struct {
    const char *name;
    struct answer answer;
    const char *code; // NULL: nothing is found
    const char *text, *advice;
} rows[] = {
    {"all is well", {0}, NULL, NULL, NULL},
    {"stopping", {.state = "stopping"}, "stopping", "tcpd is stopping", ""},
    {"a refused reload",
     {.reload_problem = "tcpd.conf:7: no"},
     "reload_refused",
     "the last reload was refused, and an older configuration is in force: tcpd.conf:7: no",
     "tcpdctl check, then tcpdctl reload"},
    {"full",
     {.full = 1, .queue = 1},
     "at_maximum",
     "all 8 workers are busy, and somebody waits",
     "tcpdctl resize echo max=16, then max_workers in tcpd.conf"},
    {"a full queue",
     {.queue = 128},
     "queue_full",
     "128 clients wait, and no more than 128 can",
     "backlog in tcpd.conf, and the sysctl net.core.somaxconn"},
    {"a program that does not accept",
     {.queue = 3, .unaccepted_usec = UINT64_C(42500000)},
     "not_accepted",
     "3 clients wait, and the queue has not been empty for 42s: the program does not accept them, "
     "or not fast enough",
     "see what the program does; more copies: tcpdctl resize echo min=2"},
    {"one that is about to", {.queue = 3, .unaccepted_usec = 4900000}, NULL, NULL, NULL},
    {"one that has by now", {.unaccepted_usec = 9000000}, NULL, NULL, NULL},
    {"a capped backlog",
     {.backlog = 4096},
     "backlog_capped",
     "128 clients can wait at most, and not backlog = 4096",
     "sysctl net.core.somaxconn=4096, then restart what has opened it"},
    {"throttled",
     {.throttled_ms = 800},
     "throttled",
     "new workers wait for 800 ms, as the last ones have died early",
     "journalctl -u tcpd TCPD_SERVICE=echo"},
    {"throttled, and why",
     {.throttled_ms = 800, .last_death = "exited with status 1"},
     "throttled",
     "new workers wait for 800 ms, as the last ones have died early; the last one exited with "
     "status 1",
     "journalctl -u tcpd TCPD_SERVICE=echo"},
    {"paused",
     {.paused = 1, .queue = 3},
     "paused",
     "paused for 42s; 3 clients wait",
     "tcpdctl resume echo"},
    {"resized",
     {.resized = 1},
     "resized",
     "resized until the next reload: min 1, spare 2, max 8",
     "write it to tcpd.conf, or: tcpdctl resize echo reset"},
    {"old workers",
     {.old = 1},
     "old_workers",
     "1 worker of the configuration before still takes clients, as the new ones are not ready",
     "journalctl -u tcpd TCPD_SERVICE=echo"},
    {"drained",
     {.node = "drain"},
     "drained",
     "load balancers are to send nobody: by root",
     "tcpdctl ready echo"},
    {"in maintenance",
     {.node = "maint"},
     "maintenance",
     "load balancers are to send nobody: by root",
     "tcpdctl ready echo"},
    {"an address",
     {.has_lack = 1},
     "address_not_served",
     "not served: in use",
     "when it is mended: tcpdctl sockets apply"},
    {"a service",
     {.has_lack = 1, .is_left_out = 1},
     "left_out",
     "the service is left out: in use",
     "when it is mended: tcpdctl reload"},
    {"a certificate",
     {.is_near = 1},
     "certificate_expires",
     "certificate \"c\" is good until 1970-01-01 00:01 UTC",
     "renew it, then tcpdctl reload"},
};

static void append_text(sd_bus_message *message, const char *name, const char *value)
{
    assert_true(sd_bus_message_append(message, "{sv}", name, "s", value) >= 0);
}

static void append_number(sd_bus_message *message, const char *name, unsigned value)
{
    assert_true(sd_bus_message_append(message, "{sv}", name, "u", value) >= 0);
}

static void append_flag(sd_bus_message *message, const char *name, int value)
{
    assert_true(sd_bus_message_append(message, "{sv}", name, "b", value) >= 0);
}

static void append_pool(sd_bus_message *message, const struct answer *answer)
{
    append_text(message, "service", "echo");
    append_text(message, "listener", "*:7007");
    append_text(message, "type", "stream");
    append_text(message, "node", answer->node ? answer->node : "ready");
    append_text(message, "node_text", "by root");
    append_number(message, "min", 1);
    append_number(message, "spare", 2);
    append_number(message, "max", 8);
    append_number(message, "queue", answer->queue);
    append_number(message, "queue_limit", 128);
    append_number(message, "backlog", answer->backlog);
    append_number(message, "old", answer->old);
    append_flag(message, "full", answer->full);
    append_flag(message, "paused", answer->paused);
    append_flag(message, "resized", answer->resized);
    assert_true(sd_bus_message_append(message, "{sv}{sv}{sv}", "throttled_ms", "t",
                                      answer->throttled_ms, "paused_usec", "t", UINT64_C(42500000),
                                      "unaccepted_usec", "t", answer->unaccepted_usec) >= 0);
    if (answer->last_death)
        append_text(message, "last_death", answer->last_death);
}

static void append_lack(sd_bus_message *message, const struct answer *answer)
{
    append_text(message, "service", "echo");
    append_text(message, "listener", "*:7007");
    append_text(message, "reason", "in use");
    append_flag(message, "left_out", answer->is_left_out);
}

static void append_certificate(sd_bus_message *message, const struct answer *answer)
{
    append_text(message, "certificate", "c");
    append_flag(message, "is_near", answer->is_near);
    assert_true(sd_bus_message_append(message, "{sv}", "until", "t", UINT64_C(60000000)) >= 0);
}

// An array of dictionaries that has one, or none.
static void append_array(sd_bus_message *message, const struct answer *answer, int has,
                         void (*append)(sd_bus_message *, const struct answer *))
{
    assert_true(sd_bus_message_open_container(message, 'a', "a{sv}") >= 0);
    if (has) {
        assert_true(sd_bus_message_open_container(message, 'a', "{sv}") >= 0);
        append(message, answer);
        assert_true(sd_bus_message_close_container(message) >= 0);
    }
    assert_true(sd_bus_message_close_container(message) >= 0);
}

static sd_bus_message *new_message(void)
{
    sd_bus_message *message = NULL;

    assert_true(sd_bus_message_new_signal(bus, &message, "/a", "a.b", "C") >= 0);
    return message;
}

static sd_bus_message *seal(sd_bus_message *message)
{
    assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
    assert_true(sd_bus_message_rewind(message, 1) >= 0);
    return message;
}

static sd_bus_message *make_answer(const struct answer *answer)
{
    sd_bus_message *message = new_message();

    assert_true(sd_bus_message_open_container(message, 'a', "{sv}") >= 0);
    append_text(message, "state", answer->state ? answer->state : "running");
    append_text(message, "reload_problem", answer->reload_problem ? answer->reload_problem : "");
    assert_true(sd_bus_message_close_container(message) >= 0);
    append_array(message, answer, 1, append_pool);
    append_array(message, answer, answer->has_lack, append_lack);
    append_array(message, answer, 1, append_certificate);
    return seal(message);
}

static void test_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        sd_bus_message *message = make_answer(&rows[i].answer);
        struct findings findings;

        check_number(rows[i].name, findings_read(message, &findings), 0);
        check_number(rows[i].name, findings.n, rows[i].code != NULL);
        if (rows[i].code) {
            check_text(rows[i].name, findings.items[0].code, rows[i].code);
            check_text(rows[i].name, findings.items[0].text, rows[i].text);
            check_text(rows[i].name, findings.items[0].advice, rows[i].advice);
        }
        findings_done(&findings);
        assert_null(sd_bus_message_unref(message));
    }
}

// One of a daemon that has only what the first ones had.
static void test_old_daemon(void **state)
{
    sd_bus_message *message = new_message();
    struct findings findings;

    (void)state;
    assert_true(sd_bus_message_append(message, "a{sv}", 1, "state", "s", "running") >= 0);
    append_array(message, NULL, 0, NULL);
    (void)seal(message);
    check_number("read", findings_read(message, &findings), 0);
    check_number("none", findings.n, 0);
    findings_done(&findings);
    assert_null(sd_bus_message_unref(message));
}

static const struct {
    const char *name;
    const char *doing[4]; // of its sessions
    const char *code;     // NULL: nothing
} causes[] = {
    {"silent", {"reading", "reading", "writing"}, "silent_clients"},
    {"slow", {"writing", "writing", "writing"}, "slow_readers"},
    {"at work", {"working"}, "busy_handler"},
    {"handshakes", {"opening", "opening", "reading"}, "slow_openings"},
    {"a half", {"reading", "reading", "writing", "working"}, NULL},
    {"none", {NULL}, NULL},
};

static void test_causes(void **state)
{
    static const struct answer full = {.full = 1};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(causes); i++) {
        sd_bus_message *message = make_answer(&full);
        struct session_row sessions[5] = {
            {.service = "other", .listener = "*:1", .doing = "reading"}};
        struct sessions list = {.rows = sessions, .n = 1};
        struct findings findings;

        for (size_t k = 0; k < 4 && causes[i].doing[k]; k++)
            sessions[list.n++] = (struct session_row){
                .service = "echo", .listener = "*:7007", .doing = causes[i].doing[k]};
        check_number(causes[i].name, findings_read(message, &findings), 0);
        check_number(causes[i].name, findings_add_sessions(&findings, &list), 0);
        check_number(causes[i].name, findings.n, causes[i].code ? 2 : 1);
        if (causes[i].code)
            check_text(causes[i].name, findings.items[1].code, causes[i].code);
        findings_done(&findings);
        assert_null(sd_bus_message_unref(message));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_old_daemon),
        cmocka_unit_test(test_causes),
    };

    return cmocka_run_group_tests(tests, open_bus, close_bus);
}
