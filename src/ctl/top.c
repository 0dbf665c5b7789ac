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
#include "ctl/output.h"
#include "ctl/top_draw.h"
#include "ctl/top_kick.h"
#include "ctl/top_screen.h"

#define PROBLEM_MAX   160
#define PATIENCE_USEC USEC_PER_SEC // with an answer, before the screen says that there is none

struct top {
    const struct options *options;
    struct top_view view;
    uint64_t n_looks;
    struct top_asker asker;
    struct top_kicker kicker;
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
    struct top_look *before = &top->view.before, *now = &top->view.now;
    bool is_same = now->reply && rates_is_same_daemon(&now->counters, &look->counters);

    top_look_done(before);
    if (is_same)
        *before = *now;
    else
        top_look_done(now);
    *now = *look;
    if (look->is_asked)
        top->view.state.has_sessions = look->has_sessions;
    top->n_looks++;
}

static bool is_enough(const struct top *top)
{
    return top->options->top.count > 0 && top->n_looks >= top->options->top.count;
}

// A look that waits, and says on stderr why there is none. The exit status.
static int look_now(struct top *top, bool wants_sessions)
{
    const struct options *options = top->options;
    sd_bus *bus = NULL;
    sd_bus_message *reply = NULL;
    struct top_look look;
    int status = link_open(options->socket, options->timeout_usec, &bus);
    int r = 0;

    if (status == EX_OK)
        status = link_call(bus, "GetCounters", options->timeout_usec, &reply);
    if (status == EX_OK)
        r = top_look_read(&look, reply);
    if (status == EX_OK && r >= 0) {
        if (wants_sessions)
            top_look_add_sessions(&look, bus, options->service, options->timeout_usec);
        take_look(top, &look);
    }
    (void)sd_bus_message_unref(reply);
    (void)sd_bus_close_unref(bus);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the counters: %s", strerror(-r)) : status;
}

// A service that is named is there, or there is nothing to look at.
static int check_service(const struct top *top)
{
    const struct counters *counters = &top->view.now.counters;
    const char *service = top->options->service;

    for (size_t i = 0; i < counters->n; i++)
        if (strcmp(counters->pools[i].service, service) == 0)
            return EX_OK;
    if (service[0] == '\0')
        return EX_OK;
    return fail(EXIT_FAILURE, "there is no service \"%s\"", service);
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
    top_print_pools(&top->view, &head, &table, 0);
    print_lines(&head);
    (void)fputc('\n', stdout);
    print_lines(&table);
    top_lines_done(&head);
    top_lines_done(&table);
    return output_end(EX_OK);
}

static int run_lines(struct top *top, uint64_t count)
{
    int status = print_look(top);

    while (status == EX_OK && (count == 0 || top->n_looks < count)) {
        if (output_wait(-1, 0, top->view.state.delay_usec) == -EPIPE)
            return EX_IOERR;
        status = look_now(top, false);
        if (status == EX_OK)
            status = print_look(top);
    }
    return status;
}

// ---- The screen -------------------------------------------------------------------------------

static void draw(struct top *top)
{
    char text[PROBLEM_MAX + 32] = "", clock[16] = "?";
    struct tm local;

    if (top->problem[0] != '\0') {
        if (localtime_r(&top->problem_since, &local))
            (void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
        (void)snprintf(text, sizeof(text), "No answer since %s: %s", clock, top->problem);
    }
    top_draw(&top->view, text);
}

static void note_problem(struct top *top, const char *problem)
{
    if (top->problem[0] == '\0')
        top->problem_since = time(NULL);
    (void)snprintf(top->problem, sizeof(top->problem), "%s", problem);
}

static void on_look(void *cookie, struct top_look *look, const char *problem)
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

static void on_kicked(void *cookie, const char *what)
{
    struct top *top = cookie;
    struct top_state *state = &top->view.state;

    (void)snprintf(state->notice, sizeof(state->notice), "%s: %s", state->session, what);
    draw(top);
}

static void ask(struct top *top)
{
    if (top_link_is_open(&top->asker.link))
        return;
    top->asked_usec = base_now_usec();
    top->asker.wants_sessions = top->view.state.layout != TOP_POOLS;
    top_asker_ask(&top->asker);
}

static int set_tick(struct top *top)
{
    int r = sd_event_source_set_time_relative(top->tick, top->view.state.delay_usec);

    return r < 0 ? r : sd_event_source_set_enabled(top->tick, SD_EVENT_ONESHOT);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct top *top = userdata;

    (void)source;
    (void)usec;
    if (!top_link_is_open(&top->asker.link)) {
        if (!top->view.state.is_paused)
            ask(top);
    } else if (base_now_usec() - top->asked_usec > PATIENCE_USEC) {
        note_problem(top, "it has yet to answer");
        draw(top);
    }
    return set_tick(top);
}

static void kick(struct top *top)
{
    struct top_state *state = &top->view.state;

    (void)snprintf(state->notice, sizeof(state->notice), "%s: asked to end", state->session);
    top_kicker_kick(&top->kicker, state->session);
}

// What a key has ordered. 0 or -errno.
static int obey(struct top *top, enum top_action action)
{
    if (action == TOP_QUIT)
        return sd_event_exit(top->event, EX_OK);
    if (action == TOP_REPAINT)
        top_screen_repaint();
    if (action == TOP_LOOK)
        ask(top);
    if (action == TOP_KICK)
        kick(top);
    return action == TOP_PACE ? set_tick(top) : 0;
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
    while (r >= 0 && action != TOP_QUIT && (key = top_screen_key()) >= 0) {
        action = top_state_take(&top->view.state, key);
        r = obey(top, action);
    }
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
                                       top->view.state.delay_usec, USEC_PER_MSEC, on_tick, top);
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

static void init_calls(struct top *top)
{
    const struct options *options = top->options;

    top_asker_init(&top->asker, options->socket, options->timeout_usec, top->event);
    top->asker.service = options->service;
    top->asker.looked = on_look;
    top->asker.cookie = top;
    top_kicker_init(&top->kicker, options->socket, options->timeout_usec, top->event);
    top->kicker.kicked = on_kicked;
    top->kicker.cookie = top;
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
        init_calls(top);
        draw(top);
        r = is_enough(top) ? EX_OK : sd_event_loop(top->event);
    }
    top_asker_stop(&top->asker);
    top_kicker_stop(&top->kicker);
    top->tick = sd_event_source_disable_unref(top->tick);
    top->event = sd_event_unref(top->event);
    top_screen_close();
    if (r < 0)
        r = fail(EXIT_FAILURE, "cannot go on: %s", strerror(-r));
    return end(top, &signals, r);
}

int top_run(const struct options *options)
{
    struct top top = {
        .options = options,
        .view = {.state = {.delay_usec = options->top.delay_usec}, .service = options->service}};
    bool has_screen = !options->top.is_batch && top_screen_is_possible();
    int status;

    (void)setlocale(LC_CTYPE, ""); // NOLINT(concurrency-mt-unsafe): there is one thread
    status = look_now(&top, has_screen);
    if (status == EX_OK)
        status = check_service(&top);
    if (status == EX_OK && has_screen)
        status = run_screen(&top);
    else if (status == EX_OK)
        status = run_lines(&top, options->top.is_batch ? options->top.count : 1);
    top_look_done(&top.view.before);
    top_look_done(&top.view.now);
    return status;
}
