// SPDX-License-Identifier: MIT
// The first look is made as other commands ask, and fails as they do. From then on a daemon that
// stops, hangs or is started again is something that top shows: what it knew stays on the screen,
// with a line that says since when there was no answer.

#include "ctl/top.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <time.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/top_print.h"
#include "ctl/top_screen.h"

#define PROBLEM_MAX   160
#define PATIENCE_USEC USEC_PER_SEC // with an answer, before the screen says that there is none

struct top {
    const struct options *options;
    struct top_state state;
    struct top_look before, now;
    uint64_t n_looks;
    struct top_asker asker;
    sd_event *event;
    sd_event_source *tick;
    char problem[PROBLEM_MAX]; // why there is no answer, "": there is one
    time_t problem_since;
    uint64_t asked_usec;
    int signal; // that has ended it, 0: none
};

// ---- Looks ------------------------------------------------------------------------------------

static void take_look(struct top *top, struct top_look *look)
{
    bool is_same = top->now.reply && rates_is_same_daemon(&top->now.counters, &look->counters);

    top_look_done(&top->before);
    if (is_same)
        top->before = top->now;
    else
        top_look_done(&top->now);
    top->now = *look;
    top->n_looks++;
}

static bool is_enough(const struct top *top)
{
    return top->options->top.count > 0 && top->n_looks >= top->options->top.count;
}

// A look that waits, and says on stderr why there is none. The exit status.
static int look_now(struct top *top)
{
    sd_bus *bus = NULL;
    sd_bus_message *reply = NULL;
    struct top_look look;
    int status = link_open(top->options->socket, top->options->timeout_usec, &bus);
    int r = 0;

    if (status == EX_OK)
        status = link_call(bus, "GetCounters", top->options->timeout_usec, &reply);
    (void)sd_bus_close_unref(bus);
    if (status == EX_OK)
        r = top_look_read(&look, reply);
    (void)sd_bus_message_unref(reply);
    if (r < 0)
        return fail(EXIT_FAILURE, "cannot read the counters: %s", strerror(-r));
    if (status == EX_OK)
        take_look(top, &look);
    return status;
}

// A service that is named is there, or there is nothing to look at.
static int check_service(const struct top *top)
{
    const struct counters *counters = &top->now.counters;
    const char *service = top->options->service;

    for (size_t i = 0; i < counters->n; i++)
        if (strcmp(counters->pools[i].service, service) == 0)
            return EX_OK;
    if (service[0] == '\0')
        return EX_OK;
    return fail(EX_USAGE, "tcpd serves no service \"%s\"", service);
}

// ---- Lines ------------------------------------------------------------------------------------

static void print_lines(const struct top_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        (void)printf("%s\n", lines->lines[i].text);
}

static int print_look(const struct top *top)
{
    struct top_lines head = {0}, table = {0};

    if (top->n_looks > 1)
        (void)fputc('\n', stdout);
    top_print_make(&head, &table, &top->now, &top->before, &top->state, top->options->service, 0);
    print_lines(&head);
    (void)fputc('\n', stdout);
    print_lines(&table);
    top_lines_done(&head);
    top_lines_done(&table);
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EX_OK;
    return fail(EXIT_FAILURE, "cannot print: %s", strerror(errno > 0 ? errno : EIO));
}

static int run_lines(struct top *top, uint64_t count)
{
    const struct timespec delay = base_timespec(top->state.delay_usec);
    int status = print_look(top);

    while (status == EX_OK && (count == 0 || top->n_looks < count)) {
        (void)nanosleep(&delay, NULL);
        status = look_now(top);
        if (status == EX_OK)
            status = print_look(top);
    }
    return status;
}

// ---- The screen -------------------------------------------------------------------------------

static void add_problem(const struct top *top, struct top_lines *lines)
{
    struct tm local;
    char clock[16] = "?";

    if (top->problem[0] == '\0')
        return;
    if (localtime_r(&top->problem_since, &local))
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    top_lines_add(lines, TOP_ALARM, "No answer since %s: %s", clock, top->problem);
}

// The line with the names of columns stays; the others move below it.
static void put_table(struct top_state *state, const struct top_lines *table, int room)
{
    size_t shown = room > 1 ? (size_t)room - 1 : 0;
    size_t n = table->n - 1;

    state->page = shown;
    if (state->first + shown > n)
        state->first = n > shown ? n - shown : 0;
    top_screen_put(&table->lines[0]);
    for (size_t i = 0; i < shown && state->first + i < n; i++)
        top_screen_put(&table->lines[1 + state->first + i]);
}

static void draw(struct top *top)
{
    struct top_lines head = {0}, table = {0};
    int rows, columns;

    top_screen_size(&rows, &columns);
    top_screen_begin();
    if (top->state.has_help) {
        top_state_help(&head);
    } else {
        top_print_make(&head, &table, &top->now, &top->before, &top->state, top->options->service,
                       columns);
        add_problem(top, &head);
        top_state_describe(&top->state, &head);
    }
    for (size_t i = 0; i < head.n; i++)
        top_screen_put(&head.lines[i]);
    if (table.n > 0) // a line is for the keys
        put_table(&top->state, &table, rows - (int)head.n - 1);
    top_screen_end(top_state_keys);
    top_lines_done(&head);
    top_lines_done(&table);
}

static void note_problem(struct top *top, const char *problem)
{
    if (top->problem[0] == '\0')
        top->problem_since = time(NULL);
    (void)snprintf(top->problem, sizeof(top->problem), "%s", problem);
}

static void on_answer(void *cookie, struct top_look *look, const char *problem)
{
    struct top *top = cookie;

    if (look) {
        top->problem[0] = '\0';
        take_look(top, look);
    } else {
        note_problem(top, problem);
    }
    draw(top);
    if (look && is_enough(top))
        (void)sd_event_exit(top->event, EX_OK);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct top *top = userdata;
    int r = sd_event_source_set_time_relative(source, top->state.delay_usec);

    (void)usec;
    if (r >= 0)
        r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (!top->asker.bus && !top->state.is_paused) {
        top->asked_usec = base_now_usec();
        top_asker_ask(&top->asker);
    } else if (top->asker.bus && base_now_usec() - top->asked_usec > PATIENCE_USEC) {
        note_problem(top, "it has yet to answer");
        draw(top);
    }
    return r;
}

static int on_keys(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct top *top = userdata;
    enum top_action action = TOP_DRAW;
    int key, r = 0;

    (void)source;
    (void)fd;
    if (events & (EPOLLHUP | EPOLLERR)) // the terminal is gone
        return sd_event_exit(top->event, EXIT_FAILURE);
    while (action != TOP_QUIT && (key = top_screen_key()) >= 0) {
        action = top_state_take(&top->state, key);
        if (action == TOP_REPAINT)
            top_screen_repaint();
        if (action == TOP_PACE)
            r = sd_event_source_set_time_relative(top->tick, top->state.delay_usec);
    }
    if (action == TOP_QUIT)
        return sd_event_exit(top->event, EX_OK);
    draw(top);
    return r;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct top *top = userdata;

    (void)source;
    if (info->ssi_signo == SIGWINCH) {
        top_screen_resize();
        draw(top);
        return 0;
    }
    top->signal = (int)info->ssi_signo;
    return sd_event_exit(top->event, EX_OK);
}

static int add_sources(struct top *top)
{
    static const int signals[] = {SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    int r = sd_event_add_io(top->event, NULL, STDIN_FILENO, EPOLLIN, on_keys, top);

    for (size_t i = 0; r >= 0 && i < ELEMENTS(signals); i++)
        r = sd_event_add_signal(top->event, NULL, signals[i], on_signal, top);
    if (r >= 0)
        r = sd_event_add_time_relative(top->event, &top->tick, CLOCK_MONOTONIC,
                                       top->state.delay_usec, USEC_PER_MSEC, on_tick, top);
    return r;
}

// Signals are blocked before ncurses sees to them, so that its handlers never run.
static void block_signals(sigset_t *ret_before)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGWINCH);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGQUIT);
    (void)sigprocmask(SIG_BLOCK, &signals, ret_before);
}

// A signal that has ended the loop ends the process, as its parent expects; Ctrl-C is how people
// leave.
static int end(const struct top *top, const sigset_t *signals, int status)
{
    if (top->signal != 0 && top->signal != SIGINT) {
        (void)signal(top->signal, SIG_DFL);
        (void)raise(top->signal);
    }
    (void)sigprocmask(SIG_SETMASK, signals, NULL);
    return status;
}

static int run_screen(struct top *top)
{
    sigset_t signals;
    int r;

    block_signals(&signals);
    if (!top_screen_open()) {
        (void)sigprocmask(SIG_SETMASK, &signals, NULL);
        return run_lines(top, 1);
    }
    r = sd_event_new(&top->event);
    if (r >= 0)
        r = add_sources(top);
    if (r >= 0) {
        top->asker = (struct top_asker){.path = top->options->socket,
                                        .timeout_usec = top->options->timeout_usec,
                                        .event = top->event,
                                        .answered = on_answer,
                                        .cookie = top};
        draw(top);
        r = is_enough(top) ? EX_OK : sd_event_loop(top->event);
    }
    top_asker_stop(&top->asker);
    top->tick = sd_event_source_disable_unref(top->tick);
    top->event = sd_event_unref(top->event);
    top_screen_close();
    if (r < 0)
        r = fail(EXIT_FAILURE, "cannot go on: %s", strerror(-r));
    return end(top, &signals, r);
}

int top_run(const struct options *options)
{
    struct top top = {.options = options, .state = {.delay_usec = options->top.delay_usec}};
    int status;

    (void)setlocale(LC_CTYPE, ""); // NOLINT(concurrency-mt-unsafe): there is one thread
    status = look_now(&top);
    if (status == EX_OK)
        status = check_service(&top);
    if (status == EX_OK && !options->top.is_batch && top_screen_is_possible())
        status = run_screen(&top);
    else if (status == EX_OK)
        status = run_lines(&top, options->top.is_batch ? options->top.count : 1);
    top_look_done(&top.before);
    top_look_done(&top.now);
    return status;
}
