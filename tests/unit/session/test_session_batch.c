// SPDX-License-Identifier: MIT
// session_batch.c: when lines leave: full, old, by the timer of an idle worker, not by that of a
// busy one; what finds no room is counted, and the page is told what has left.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "log/log.h"
#include "session/line_batch.h"
#include "session/session_batch.h"
#include "unit.h"

#define NAME "echo *:7"

static struct recent recent;
static struct log_quota quota;
static uint64_t number; // of the last session
static int reader;      // of standard error
static int saved;       // what that was before, and is again when a test has ended

static int open_batch(void **state)
{
    static char name[] = "echo";
    static const struct service service = {.name = name};
    const struct batch_source source = {NAME, &service, &quota, &recent};
    int ends[2];

    (void)state;
    memset(&recent, 0, sizeof(recent));
    memset(&quota, 0, sizeof(quota));
    number = 0;
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (pipe2(ends, O_CLOEXEC) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    (void)close(ends[1]);
    reader = ends[0];
    session_batch_open(&source);
    return fcntl(reader, F_SETFL, O_NONBLOCK);
}

static int close_batch(void **state)
{
    (void)state;
    session_batch_idle(false);
    session_batch_close(true);
    (void)log_drop_kept();
    session_batch_note();
    (void)close(reader);
    (void)dup2(saved, STDERR_FILENO);
    return close(saved);
}

static void end_sessions(unsigned n)
{
    while (n-- > 0) {
        struct session_line line = {.peer = "192.0.2.7:48764", .result = "ok"};
        struct recent_record record = {0};

        line.number = ++number;
        recent_put(&recent, number, &record);
        session_batch_add(&line, LOG_INFO);
        session_batch_note();
    }
}

// How many lines have left, of numbers that follow each other; it checks that each has ours.
static unsigned take_lines(const char *row, uint64_t first)
{
    static char text[1 << 16];
    char *rest = text, *line;
    size_t used = 0;
    unsigned n = 0;
    ssize_t r;

    while ((r = read(reader, text + used, sizeof(text) - used - 1)) > 0)
        used += (size_t)r;
    text[used] = '\0';
    while ((line = strsep(&rest, "\n")) && *line != '\0') {
        static const char head[] = "tcpd: " NAME ": ";
        struct session_line got;

        check_true(row, strncmp(line, head, sizeof(head) - 1) == 0);
        check_number(row, session_line_parse(line + sizeof(head) - 1, &got), 0);
        check_number(row, got.pid, getpid());
        check_number(row, got.number, first + n);
        n++;
    }
    return n;
}

static void test_full(void **state)
{
    (void)state;
    end_sessions(LINE_BATCH_MAX - 1);
    check_number("not yet", take_lines("not yet", 1), 0);
    check_number("not yet", recent_logged(&recent), 0);
    end_sessions(1);
    check_number("full", take_lines("full", 1), LINE_BATCH_MAX);
    check_number("full", recent_logged(&recent), LINE_BATCH_MAX);
    end_sessions(3);
    session_batch_close(false);
    check_number("not old", log_kept_lines(), 0);
    session_batch_close(true);
    check_number("at once", log_kept_lines(), 3);
    session_batch_note();
    check_number("kept", recent_logged(&recent), LINE_BATCH_MAX);
    check_number("written", log_write_kept(false), 0);
    session_batch_note();
    check_number("written", take_lines("written", LINE_BATCH_MAX + 1), 3);
    check_number("written", recent_logged(&recent), LINE_BATCH_MAX + 3);
}

static bool wait_for_text(int ms)
{
    struct pollfd end = {.fd = reader, .events = POLLIN};
    uint64_t deadline = base_now_usec() + (uint64_t)ms * USEC_PER_MSEC;

    // The signal may end it early; its handler runs with SA_RESTART, and poll(2) is not restarted.
    while (poll(&end, 1, 10) <= 0)
        if (base_now_usec() >= deadline)
            return false;
    return true;
}

// The worker waits for a client: the lines leave when the oldest is a second old, while it waits.
static void test_idle(void **state)
{
    uint64_t began = base_now_usec();

    (void)state;
    end_sessions(2);
    session_batch_idle(true);
    check_true("ticks", session_batch_ticks());
    check_true("come", wait_for_text(10000));
    check_elapsed("after a second", began, 1000, 9000);
    session_batch_idle(false);
    check_number("both", take_lines("both", 1), 2);
    check_number("both", recent_logged(&recent), 2);
    check_true("once", !session_batch_ticks());
    session_batch_idle(true);
    check_true("nothing to come for", !session_batch_ticks());
}

static void wait_for_tick(void)
{
    while (session_batch_ticks())
        (void)poll(NULL, 0, 10);
}

// A signal that finds it busy touches nothing; the next session's end has them out, as they are
// old.
static void test_busy(void **state)
{
    (void)state;
    end_sessions(2);
    session_batch_idle(true);
    session_batch_idle(false);
    check_true("armed all the same", session_batch_ticks());
    wait_for_tick();
    check_number("nothing", take_lines("nothing", 1), 0);
    check_number("nothing", recent_logged(&recent), 0);
    session_batch_close(false);
    check_number("old", log_kept_lines(), 2);
    check_number("old", log_write_kept(false), 0);
    check_number("old", take_lines("old", 1), 2);
}

// It finds it busy, and then the worker waits again: it is set once more.
static void test_again(void **state)
{
    (void)state;
    end_sessions(1);
    session_batch_idle(true);
    session_batch_idle(false);
    wait_for_tick();
    end_sessions(1);
    session_batch_idle(true);
    check_true("come", wait_for_text(10000));
    session_batch_idle(false);
    check_number("both", take_lines("both", 1), 2);
}

// What it was set for has left: what is there now is young, and waits for its own second.
static void test_young(void **state)
{
    uint64_t began;

    (void)state;
    end_sessions(1);
    session_batch_idle(true);
    session_batch_idle(false);
    end_sessions(LINE_BATCH_MAX - 1);
    check_number("full", take_lines("full", 1), LINE_BATCH_MAX);
    (void)poll(NULL, 0, 500);
    began = base_now_usec();
    end_sessions(1);
    session_batch_idle(true);
    check_true("comes", wait_for_text(10000));
    check_elapsed("after its own second", began, 1000, 9000);
    session_batch_idle(false);
    check_number("one", take_lines("one", LINE_BATCH_MAX + 1), 1);
}

// Nobody reads for a while. All lines are there in the end, or counted.
static void test_stalled(void **state)
{
    uint32_t losses[LOG_LOSSES];
    unsigned n_out;

    (void)state;
    check_number("a page", fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096), 4096);
    end_sessions(10 * LINE_BATCH_MAX);
    check_true("stay", session_batch_waits());
    n_out = take_lines("one pipe", 1);
    check_true("one pipe", n_out > 0 && n_out < 2 * LINE_BATCH_MAX);
    session_batch_idle(true);
    check_true("come when there is room", wait_for_text(10000));
    session_batch_idle(false);
    check_number("the rest of them", log_kept_lines(), 0);
    log_quota_renew(&quota, base_now_usec(), losses);
    check_true("some are lost", losses[LOG_LOSS_READER] > 0);
    check_number("nothing else", losses[LOG_LOSS_WORKER], 0);
    n_out += take_lines("those kept", n_out + 1);
    check_number("all", n_out + losses[LOG_LOSS_READER], number);
    check_number("page", recent_logged(&recent), number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full, open_batch, close_batch),
        cmocka_unit_test_setup_teardown(test_idle, open_batch, close_batch),
        cmocka_unit_test_setup_teardown(test_busy, open_batch, close_batch),
        cmocka_unit_test_setup_teardown(test_again, open_batch, close_batch),
        cmocka_unit_test_setup_teardown(test_young, open_batch, close_batch),
        cmocka_unit_test_setup_teardown(test_stalled, open_batch, close_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
