// SPDX-License-Identifier: MIT
// session_log_report.c: what was lost is said and summed up; what a worker that has died had yet to
// write is written, whatever its page has.

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "log/log.h"
#include "session/session_log.h"
#include "unit.h"
#include "view/session_line.h"

#define POOL "echo *:7"

static const struct config config = {.log_sessions_rate = 20};
static struct service service;
static struct log_quota quota;
static int reader; // of standard error
static int saved;  // what that was before, and is again when a test has ended

static int open_pipe(void **state)
{
    static char name[] = "echo";
    int ends[2];

    (void)state;
    service = (struct service){.name = name, .slow_usec = 1000};
    memset(&quota, 0, sizeof(quota));
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (pipe2(ends, O_CLOEXEC) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    (void)close(ends[1]);
    reader = ends[0];
    return fcntl(reader, F_SETFL, O_NONBLOCK);
}

static int close_pipe(void **state)
{
    (void)state;
    (void)close(reader);
    (void)dup2(saved, STDERR_FILENO);
    return close(saved);
}

static char *read_text(void)
{
    static char text[1 << 16];
    size_t used = 0;
    ssize_t n;

    while ((n = read(reader, text + used, sizeof(text) - used - 1)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    return text;
}

static const struct {
    enum log_loss cause;
    unsigned n;
    const char *text;
} losses[] = {
    {LOG_LOSS_SOURCE, 1, "1 session record left out: more than 100 for one client in 10 s"},
    {LOG_LOSS_RATE, 2, "2 session records left out: log_sessions_rate = 20 was exceeded"},
    {LOG_LOSS_READER, 3,
     "3 session records lost: the reader of this log does not read fast enough"},
    {LOG_LOSS_WORKER, 4, "4 session records lost with workers that died"},
};

static void test_losses(void **state)
{
    uint64_t sums[LOG_LOSSES] = {0};

    (void)state;
    session_log_report(&quota, POOL, &config, sums);
    check_text("nothing", read_text(), "");
    for (size_t i = 0; i < ELEMENTS(losses); i++) {
        char want[200];

        check_true("a name", log_loss_names[losses[i].cause] != NULL);
        log_quota_count(&quota, losses[i].cause, losses[i].n);
        session_log_report(&quota, POOL, &config, sums);
        (void)snprintf(want, sizeof(want), "tcpd: " POOL ": %s\n", losses[i].text);
        check_text("what is said", read_text(), want);
        check_number(losses[i].text, sums[losses[i].cause], losses[i].n);
        session_log_report(&quota, POOL, &config, sums);
        check_text("once", read_text(), "");
        check_number(losses[i].text, sums[losses[i].cause], losses[i].n);
    }
}

static void put(struct recent *recent, uint64_t number)
{
    const struct recent_record record = {.end_realtime_usec = number,
                                         .duration_usec = number % 2 == 0 ? 5000 : 5,
                                         .ip = {192, 0, 2, 7},
                                         .port = htons(7),
                                         .family = AF_INET};

    recent_put(recent, number, &record);
}

static const struct {
    const char *name;
    uint64_t ended, logged;
    bool may_write;
    uint64_t first; // line that is written
    unsigned n;     // lines
    unsigned n_lost;
} rows[] = {
    {"none has ended", 0, 0, true, 0, 0, 0},
    {"all are logged", 50, 50, true, 0, 0, 0},
    {"one is left", 50, 49, true, 50, 1, 0},
    {"the first ones", 3, 0, true, 1, 3, 0},
    {"a full page", 50, 18, true, 19, 32, 0},
    {"more than it has", 50, 10, true, 19, 32, 8},
    {"they may not be written", 50, 40, false, 0, 0, 10},
    {"more logged than ended", 50, 51, true, 0, 0, 0},
    {"far too many", 5000, 10, true, 0, 0, 0},
    {"as many as can be", UINT64_MAX, 0, true, 0, 0, 0},
};

static void test_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        static struct recent recent;
        const struct session_left left = {&recent, POOL, &service, &config, &quota, 4711};
        uint32_t lost[LOG_LOSSES];
        char *rest, *line;
        unsigned n = 0;

        memset(&recent, 0, sizeof(recent));
        for (uint64_t k = 1; k <= rows[i].ended && k < 10000; k++)
            put(&recent, k);
        recent.ended = rows[i].ended;
        recent_set_logged(&recent, rows[i].logged);
        check_number(rows[i].name, session_log_left(&left, rows[i].may_write),
                     rows[i].n + rows[i].n_lost > 0);
        rest = read_text();
        while ((line = strsep(&rest, "\n")) && *line != '\0') {
            static const char head[] = "tcpd: " POOL ": ";
            struct session_line got;

            check_true(rows[i].name, strncmp(line, head, sizeof(head) - 1) == 0);
            check_number(rows[i].name, session_line_parse(line + sizeof(head) - 1, &got), 0);
            check_number(rows[i].name, got.pid, 4711);
            check_number(rows[i].name, got.number, rows[i].first + n);
            check_number(rows[i].name, got.is_slow, got.number % 2 == 0);
            check_text(rows[i].name, got.peer, "192.0.2.7:7");
            n++;
        }
        check_number(rows[i].name, n, rows[i].n);
        log_quota_renew(&quota, base_now_usec(), lost);
        check_number(rows[i].name, lost[LOG_LOSS_WORKER], rows[i].n_lost);
    }
}

// Whatever a worker writes over its page: some lines that are lines, or none.
static void test_garbage(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        static struct recent recent;
        const struct session_left left = {&recent, POOL, &service, &config, &quota, 4711};
        char *rest, *line;

        memset(&recent, byte, sizeof(recent));
        recent.ended = (uint64_t)byte * 0x01010101;
        recent.logged = recent.ended - 5;
        (void)session_log_left(&left, true);
        rest = read_text();
        while ((line = strsep(&rest, "\n")) && *line != '\0') {
            struct session_line got;

            check_number(line, session_line_parse(line + sizeof("tcpd: " POOL ": ") - 1, &got), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_losses, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_left, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_garbage, open_pipe, close_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
