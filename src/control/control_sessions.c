// SPDX-License-Identifier: MIT
#include "control/control_sessions.h"

#include <string.h>

#include "access/prefix.h"
#include "base/base.h"
#include "base/escape.h"
#include "control/control_page.h"

static const char *const doing_names[DOINGS] = {
    [DOING_NOTHING] = "working", [DOING_OPENING] = "opening", [DOING_READING] = "reading",
    [DOING_WRITING] = "writing", [DOING_WORKING] = "working", [DOING_CLOSING] = "closing",
};

static const char *const state_names[WORKER_STATES] = {
    [WORKER_STARTING] = "starting", [WORKER_IDLE] = "idle",       [WORKER_PARKED] = "parked",
    [WORKER_BUSY] = "busy",         [WORKER_LEAVING] = "leaving",
};

// Which sessions are asked for.
struct filter {
    struct prefix prefixes[PREFIX_WORD_MAX];
    int n_prefixes; // 0: whosoever they are
    uint64_t older_usec;
    const char *doing; // NULL: whatever it is
};

static int refuse(sd_bus_error *error, const char *why)
{
    return sd_bus_error_set(error, "tcpd.Error.Usage", why);
}

static int set_peer(const struct control_page *page, struct filter *filter, const char *text,
                    sd_bus_error *error)
{
    char wrong[PREFIX_WRONG_MAX], shown[64];

    // Else who may not see addresses could find them out by asking.
    if (page->addresses != LOG_ADDRESSES_FULL)
        return sd_bus_error_set(error, "tcpd.Error.Denied",
                                "only root may ask for sessions by address, as log_addresses is "
                                "not full");
    filter->n_prefixes = prefix_parse(text, filter->prefixes, wrong);
    if (filter->n_prefixes >= 0)
        return 0;
    escape_text(text, shown, sizeof(shown));
    return sd_bus_error_setf(error, "tcpd.Error.Usage", "peer \"%s\" %s", shown, wrong);
}

static int set_doing(struct filter *filter, const char *text, sd_bus_error *error)
{
    for (size_t i = DOING_OPENING; i < DOINGS; i++)
        if (strcmp(text, doing_names[i]) == 0) {
            filter->doing = doing_names[i];
            return 0;
        }
    return refuse(error, "doing is opening, reading, writing, working or closing");
}

// Never more than who asks may see.
static int set_addresses(struct control_page *page, const char *text, sd_bus_error *error)
{
    for (enum log_addresses i = 0; i < LOG_ADDRESSES_N; i++)
        if (strcmp(text, log_addresses_names[i]) == 0) {
            page->addresses = i > page->addresses ? i : page->addresses;
            return 0;
        }
    return refuse(error, "addresses is full, masked or none");
}

// One entry, whose name was read.
static int read_entry(sd_bus_message *message, struct control_page *page, const char *name,
                      struct filter *ret, sd_bus_error *error)
{
    bool is_peer = strcmp(name, "peer") == 0, is_doing = strcmp(name, "doing") == 0;
    const char *text, *contents;
    char type;
    int r = sd_bus_message_peek_type(message, &type, &contents);

    if (r < 0)
        return r;
    if (strcmp(name, "older_usec") == 0 && strcmp(contents, "t") == 0)
        return sd_bus_message_read(message, "v", "t", &ret->older_usec);
    if ((!is_peer && !is_doing && strcmp(name, "addresses") != 0) || strcmp(contents, "s") != 0)
        return refuse(error, "a filter has peer (s), older_usec (t), doing (s) and addresses (s)");
    r = sd_bus_message_read(message, "v", "s", &text);
    if (r < 0)
        return r;
    if (is_peer)
        return set_peer(page, ret, text, error);
    return is_doing ? set_doing(ret, text, error) : set_addresses(page, text, error);
}

static int read_filter(sd_bus_message *message, struct control_page *page, struct filter *ret,
                       sd_bus_error *error)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    *ret = (struct filter){0};
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const char *name;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
            r = read_entry(message, page, name, ret, error);
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static bool is_from(const struct filter *filter, const struct score_peer *peer)
{
    struct sockaddr_storage address;
    struct prefix its;

    if (filter->n_prefixes == 0)
        return true;
    (void)control_page_address(peer, &address);
    if (!prefix_of_address((const struct sockaddr *)&address, &its))
        return false;
    for (int i = 0; i < filter->n_prefixes; i++)
        if (prefix_contains(&filter->prefixes[i], &its))
            return true;
    return false;
}

// Between its sessions a worker is busy for a moment more, and has none.
static bool has_session(const struct score *score)
{
    return score->state == WORKER_BUSY &&
           (score->live.number > 0 || score->live.doing == DOING_OPENING);
}

// Whom the connection comes from, if that is somebody else.
static const char *describe_sender(const struct control_page *page, const struct score *score,
                                   char *text, size_t size)
{
    bool is_other = memcmp(&score->sender, &score->peer, sizeof(score->peer)) != 0;

    return is_other ? control_page_peer(page, &score->sender, text, size) : "";
}

static int append_session(const struct control_page *page, const struct worker *worker,
                          const void *wanted)
{
    const struct scoreboard *board = &page->master->pools.board;
    const struct filter *filter = wanted;
    char peer[ADDRESS_TEXT_MAX], sender[ADDRESS_TEXT_MAX];
    struct control_names names;
    struct score score;
    uint64_t age;
    int r;

    if (worker->accepts_itself || scoreboard_state(board, worker->slot) != WORKER_BUSY)
        return 0;
    score = scoreboard_read(board, worker->slot);
    age = control_page_age(page, score.since_usec);
    if (!has_session(&score) || age < filter->older_usec || !is_from(filter, &score.peer) ||
        (filter->doing && strcmp(filter->doing, doing_names[score.live.doing]) != 0))
        return 0;
    control_page_names(worker, &names);
    r = sd_bus_message_append(
        page->reply, "(utsssstsbtttt)", (uint32_t)worker->pid, score.live.number, names.service,
        names.listener, control_page_peer(page, &score.peer, peer, sizeof(peer)),
        describe_sender(page, &score, sender, sizeof(sender)), page->now_realtime_usec - age,
        doing_names[score.live.doing], (int)score.live.peer_ended, score.live.received,
        score.live.sent, age, score.live.turns);
    return r < 0 ? r : 1;
}

int control_on_list_sessions(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_page page;
    struct filter filter;
    int r = control_page_begin(&page, message, userdata, error);

    if (r >= 0)
        r = read_filter(message, &page, &filter, error);
    return r < 0 ? r
                 : control_page_answer(&page, message, "(utsssstsbtttt)", append_session, &filter);
}

static int append_worker(const struct control_page *page, const struct worker *worker,
                         const void *wanted)
{
    const struct scoreboard *board = &page->master->pools.board;
    struct score score = scoreboard_read(board, worker->slot);
    struct score_counts counts = {0};
    char peer[ADDRESS_TEXT_MAX];
    struct control_names names;
    int r;

    (void)wanted;
    scoreboard_add_counts(board, worker->slot, &counts);
    control_page_names(worker, &names);
    r = sd_bus_message_append(
        page->reply, "(ussusbttttts)", (uint32_t)worker->pid, names.service, names.listener,
        (uint32_t)worker->generation, state_names[score.state], (int)worker->draining,
        control_page_age(page, worker->started_usec), control_page_age(page, score.since_usec),
        counts.begun, counts.received, counts.sent,
        score.state == WORKER_BUSY ? control_page_peer(page, &score.peer, peer, sizeof(peer)) : "");
    return r < 0 ? r : 1;
}

int control_on_list_workers(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_page page;
    int r = control_page_begin(&page, message, userdata, error);

    return r < 0 ? r : control_page_answer(&page, message, "(ussusbttttts)", append_worker, NULL);
}
