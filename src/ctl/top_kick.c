// SPDX-License-Identifier: MIT
#include "ctl/top_kick.h"

#include <stdio.h>

#include "view/sessions.h"

#define TEXT_MAX 160

static void finish(struct top_kicker *kicker, const char *what)
{
    char text[TEXT_MAX];

    (void)snprintf(text, sizeof(text), "%s", what); // which may be the answer's
    top_link_close(&kicker->link);
    kicker->kicked(kicker->cookie, text);
}

// s service, s peer, t age, t in, t out, s outcome
static void on_answer(void *cookie, sd_bus_message *reply, const char *problem)
{
    struct top_kicker *kicker = cookie;
    const sd_bus_error *error = reply ? sd_bus_message_get_error(reply) : NULL;
    const char *service, *peer, *outcome;
    uint64_t age_usec, received, sent;
    char text[TEXT_MAX];

    if (problem) {
        finish(kicker, problem);
    } else if (error) {
        finish(kicker, error->message ? error->message : error->name);
    } else if (sd_bus_message_read(reply, "ssttts", &service, &peer, &age_usec, &received, &sent,
                                   &outcome) < 0) {
        finish(kicker, "the answer cannot be read");
    } else {
        (void)snprintf(text, sizeof(text), "%s: %s%s%s", outcome, service, peer[0] ? ", " : "",
                       peer);
        finish(kicker, text);
    }
}

void top_kicker_init(struct top_kicker *kicker, const char *path, uint64_t timeout_usec,
                     sd_event *event)
{
    *kicker = (struct top_kicker){.link = {.path = path,
                                           .timeout_usec = timeout_usec,
                                           .event = event,
                                           .answered = on_answer,
                                           .cookie = kicker}};
}

void top_kicker_kick(struct top_kicker *kicker, const char *id)
{
    sd_bus_message *call;
    uint64_t number;
    uint32_t pid;

    if (!session_id_parse(id, &pid, &number) || top_link_is_open(&kicker->link) ||
        !top_link_open(&kicker->link))
        return;
    call = top_link_new(&kicker->link, "EndSession");
    top_link_send(&kicker->link, call,
                  call ? sd_bus_message_append(call, "uts", pid, number, "close") : 0);
}

void top_kicker_stop(struct top_kicker *kicker)
{
    top_link_close(&kicker->link);
}
