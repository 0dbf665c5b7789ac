// SPDX-License-Identifier: MIT
#include "control/control_recent.h"

#include <string.h>

#include "board/recent.h"
#include "control/control_page.h"
#include "session/session.h"

static uint64_t span(uint32_t usec)
{
    return usec == RECENT_UNKNOWN ? UINT64_MAX : usec;
}

static int append_record(const struct control_page *page, const struct worker *worker,
                         const struct control_names *names, uint64_t number,
                         const struct recent_record *record)
{
    struct score_peer peer = {.family = record->family, .port = record->port};
    char text[ADDRESS_TEXT_MAX];

    memcpy(peer.ip, record->ip, sizeof(peer.ip));
    return sd_bus_message_append(
        page->reply, "(utssstttttts)", (uint32_t)worker->pid, number, names->service,
        names->listener, control_page_peer(page, &peer, text, sizeof(text)),
        record->end_realtime_usec, record->duration_usec, span(record->wait_usec),
        span(record->reply_usec), record->received, record->sent,
        record->result < SESSION_RESULTS ? session_result_names[record->result] : "unknown");
}

// The last one first.
static int append_records(const struct control_page *page, const struct worker *worker,
                          const void *wanted)
{
    const struct recent *recent = scoreboard_recent(&page->master->pools.board, worker->slot);
    uint64_t ended = recent_ended(recent); // any number
    struct control_names names;
    int n = 0, r = 0;

    (void)wanted;
    control_page_names(worker, &names);
    for (uint64_t i = 0; r >= 0 && i < RECENT_MAX && i < ended; i++) {
        struct recent_record record;

        if (!recent_get(recent, ended - i, &record))
            continue;
        r = append_record(page, worker, &names, ended - i, &record);
        n++;
    }
    return r < 0 ? r : n;
}

int control_on_list_recent(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_page page;
    int r = control_page_begin(&page, message, userdata, error);

    return r < 0 ? r : control_page_answer(&page, message, "(utssstttttts)", append_records, NULL);
}
