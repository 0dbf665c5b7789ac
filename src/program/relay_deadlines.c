// SPDX-License-Identifier: MIT
// When a relay must have got on, and what its session is if it has not.

#include "base/base.h"
#include "process/process.h"
#include "program/relay_private.h"

// Where the end would say too early that all is well: another program may take the place of one
// that has failed without a word, and the last words of a stage tell how it has ended.
static bool is_end_early(const struct tcpd_session *session)
{
    return (session->bytes_in == 0 && session->bytes_out == 0) ||
           (session->stage && session->stage->ops->end);
}

bool relay_is_held(const struct relay *relay, enum relay_end from)
{
    return from == RELAY_FAR && is_end_early(relay->session) &&
           base_now_usec() < relay->end_due_usec;
}

static bool is_clients_turn(const struct relay *relay)
{
    return !relay->is_owed && !relay->is_far_closed && !relay->ways[RELAY_CLIENT].has_ended &&
           relay->client_error == 0;
}

// As tcpd stops, a client that is owed nothing has less time, which begins with the stop.
static uint64_t stop_due(const struct relay *relay)
{
    bool is_idle = is_clients_turn(relay) && relay->ways[RELAY_FAR].n == 0;
    uint64_t since = relay->moved_usec > relay->stop_usec ? relay->moved_usec : relay->stop_usec;

    return is_idle && relay->stop_usec > 0 ? since + process_idle_usec() : USEC_NEVER;
}

// The limit that is nearest, and its result.
static uint64_t next_deadline(const struct relay *relay, enum session_result *ret_result)
{
    const struct tcpd_session *session = relay->session;
    const struct deadlines *deadlines = &session->service->deadlines;
    bool is_first = session->bytes_in == 0;
    uint64_t limit = is_first ? deadlines->first_byte_usec : deadlines->idle_usec;
    uint64_t due = USEC_NEVER;

    if (relay->send_due_usec != USEC_NEVER) { // the client has time to take, not to send
        due = relay->send_due_usec;
        *ret_result = SESSION_SEND_TIMEOUT;
    } else if (limit > 0 && is_clients_turn(relay)) {
        due = relay->moved_usec + limit;
        *ret_result = is_first ? SESSION_FIRST_BYTE_TIMEOUT : SESSION_IDLE_TIMEOUT;
    }
    if (stop_due(relay) < due) {
        due = stop_due(relay);
        *ret_result = SESSION_STOPPED;
    }
    if (session->deadline_usec <= due) {
        due = session->deadline_usec;
        *ret_result = SESSION_TIMEOUT;
    }
    return due;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t relay_limit(const struct relay *relay)
{
    enum session_result result;

    return next_deadline(relay, &result);
}

uint64_t relay_stage_due(const struct relay *relay)
{
    const struct stage *stage = relay->session->stage;

    if (!stage || !relay_way_is_open(&relay->ways[RELAY_CLIENT]))
        return USEC_NEVER;
    return stage_has_more(stage) ? 0 : stage_wake_usec(stage);
}

uint64_t relay_due(const struct relay *relay)
{
    uint64_t due = earlier(relay_limit(relay), relay_stage_due(relay));

    return relay_is_held(relay, RELAY_FAR) ? earlier(due, relay->end_due_usec) : due;
}

void relay_keep_deadlines(struct relay *relay)
{
    enum session_result result = SESSION_TIMEOUT;
    uint64_t due = next_deadline(relay, &result);

    if (due != USEC_NEVER && base_now_usec() >= due)
        session_stop(relay->session, result);
}
