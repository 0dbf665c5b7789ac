// SPDX-License-Identifier: MIT
// Who is at the ends of a connection, for all records of sessions.

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"
#include "session/session_log_private.h"

static void mask(struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
        size_t keep = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? 15 : 8;

        memset(&in6->sin6_addr.s6_addr[keep], 0, 16 - keep);
        in6->sin6_port = 0;
    } else if (address->ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)address;

        in->sin_addr.s_addr &= htonl(0xffffff00);
        in->sin_port = 0;
    }
}

const char *session_log_peer(const struct sockaddr *peer, socklen_t length,
                             enum log_addresses addresses, char *text, size_t size)
{
    struct sockaddr_storage copy = {0};

    memcpy(&copy, peer, length);
    if (addresses == LOG_ADDRESSES_MASKED)
        mask(&copy);
    if (addresses != LOG_ADDRESSES_NONE)
        return address_format((const struct sockaddr *)&copy, length, text, size);
    (void)snprintf(text, size, "-");
    return text;
}

const char *session_log_whom(const struct tcpd_session *session, enum log_addresses addresses,
                             char *text, size_t size)
{
    const struct address *sender = &session->sender;
    char peer[ADDRESS_TEXT_MAX], through[ADDRESS_TEXT_MAX] = "";
    bool has_sender = session->header && !session->speaks_for_itself &&
                      addresses != LOG_ADDRESSES_NONE;

    (void)session_log_peer(&session->peer.any, session->peer_length, addresses, peer, sizeof(peer));
    if (has_sender)
        (void)session_log_peer(&sender->any, sender->length, addresses, through, sizeof(through));
    (void)snprintf(text, size, "%s%s%s", peer, has_sender ? " through " : "", through);
    return text;
}

// The address without the port, and the port.
static void add_end(struct log_field *fields, size_t *n, const char *const names[2],
                    const struct sockaddr *end, socklen_t length, enum log_addresses addresses)
{
    bool is_unix = end->sa_family == AF_UNIX;
    char text[ADDRESS_TEXT_MAX], *port;

    (void)session_log_peer(end, length, addresses, text, sizeof(text));
    port = is_unix ? NULL : strrchr(text, ':');
    if (port)
        *port = '\0';
    log_field_set(&fields[(*n)++], names[0], text);
    if (addresses != LOG_ADDRESSES_FULL || is_unix)
        return;
    log_field_set_number(&fields[(*n)++], names[1], address_port(end));
}

// What a header has said.
static void add_proxy(struct log_field *fields, size_t *n, const struct tcpd_session *session,
                      enum log_addresses addresses)
{
    static const char *const names[] = {"TCPD_PROXY_ADDR", "TCPD_PROXY_PORT"};
    const struct address *destination = &session->destination;
    struct proxy_bytes id = session->header->unique_id;
    char text[ADDRESS_TEXT_MAX], shown[sizeof(fields[0].value)];

    log_field_set(&fields[(*n)++], "TCPD_PROXY_KIND", proxy_kind_names[session->proxy_kind]);
    add_end(fields, n, names, &session->sender.any, session->sender.length, addresses);
    if (destination->length > 0 && addresses == LOG_ADDRESSES_FULL)
        log_field_set(&fields[(*n)++], "TCPD_DESTINATION_ADDR",
                      address_format(&destination->any, destination->length, text, sizeof(text)));
    if (!id.data || id.length == 0)
        return;
    (void)escape_bytes(id.data, id.length, shown, sizeof(shown));
    log_field_set(&fields[(*n)++], "TCPD_UNIQUE_ID", shown);
}

size_t session_log_ends(struct log_field *fields, const struct tcpd_session *session,
                        enum log_addresses addresses)
{
    static const char *const names[] = {"TCPD_PEER_ADDR", "TCPD_PEER_PORT"};
    char text[ADDRESS_TEXT_MAX];
    struct sockaddr_storage local = {0};
    socklen_t length;
    size_t n = 0;

    log_field_set(&fields[n++], "TCPD_SERVICE", session->service->name);
    if (!session->is_run)
        add_end(fields, &n, names, &session->peer.any, session->peer_length, addresses);
    if (session_own_address(session, &local, &length) == 0)
        log_field_set(&fields[n++], "TCPD_LOCAL_ADDR",
                      address_format((const struct sockaddr *)&local, length, text, sizeof(text)));
    if (session->header)
        add_proxy(fields, &n, session, addresses);
    return n;
}
