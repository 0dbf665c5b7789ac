// SPDX-License-Identifier: MIT
#include "session/session_record.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "base/base.h"
#include "session/session_log.h"

static_assert(RECENT_UNKNOWN == SESSION_LINE_UNKNOWN, "the same in both");

static uint64_t now_realtime_usec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static void set_peer(struct recent_record *record, const struct sockaddr *peer)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;

    record->family = (uint8_t)peer->sa_family;
    if (peer->sa_family == AF_INET) {
        record->port = in->sin_port;
        memcpy(record->ip, &in->sin_addr, sizeof(in->sin_addr));
    } else if (peer->sa_family == AF_INET6) {
        record->port = in6->sin6_port;
        memcpy(record->ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
    }
}

static uint32_t time_of(uint64_t usec)
{
    return usec == USEC_NEVER ? RECENT_UNKNOWN : recent_usec(usec);
}

void session_record_make(const struct tcpd_session *session, struct recent_record *ret)
{
    *ret = (struct recent_record){
        .end_realtime_usec = now_realtime_usec(),
        .duration_usec = session->ended_usec - session->started_usec,
        .received = session->bytes_in,
        .sent = session->bytes_out,
        .number = (uint32_t)session->number,
        .wait_usec = time_of(session->wait_usec),
        .reply_usec = time_of(session->reply_usec),
        .result = (uint8_t)session->result,
    };
    set_peer(ret, &session->peer.any);
}

// The peer as the log shows it; of a unix socket nothing but that.
static const char *format_peer(const struct recent_record *record, enum log_addresses addresses,
                               char text[ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage peer = {.ss_family = record->family};
    struct sockaddr_in *in = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer;
    socklen_t length = sizeof(sa_family_t);

    if (record->family == AF_UNSPEC)
        return "-";
    if (record->family == AF_INET) {
        in->sin_port = record->port;
        memcpy(&in->sin_addr, record->ip, sizeof(in->sin_addr));
        length = sizeof(*in);
    } else if (record->family == AF_INET6) {
        in6->sin6_port = record->port;
        memcpy(&in6->sin6_addr, record->ip, sizeof(in6->sin6_addr));
        length = sizeof(*in6);
    }
    return session_log_peer((const struct sockaddr *)&peer, length, addresses, text,
                            ADDRESS_TEXT_MAX);
}

void session_record_line(const struct recent_record *record, enum log_addresses addresses,
                         char peer[ADDRESS_TEXT_MAX], struct session_line *ret)
{
    *ret = (struct session_line){
        .end_realtime_usec = record->end_realtime_usec,
        .peer = format_peer(record, addresses, peer),
        .result = record->result < SESSION_RESULTS ? session_result_names[record->result]
                                                   : "unknown",
        .duration_usec = record->duration_usec,
        .received = record->received,
        .sent = record->sent,
        .wait_usec = record->wait_usec,
        .number = record->number,
    };
}
