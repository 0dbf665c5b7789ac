// SPDX-License-Identifier: MIT
#include "master/death_peer.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "session/session_log.h"

static const char *describe_end(enum log_addresses addresses, const struct score_peer *end,
                                char *text, size_t size)
{
    struct sockaddr_storage peer = {.ss_family = end->family};
    struct sockaddr_in *in = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer;
    socklen_t length = sizeof(sa_family_t);

    if (end->family == AF_INET) {
        in->sin_port = end->port;
        memcpy(&in->sin_addr, end->ip, sizeof(in->sin_addr));
        length = sizeof(*in);
    } else if (end->family == AF_INET6) {
        in6->sin6_port = end->port;
        memcpy(&in6->sin6_addr, end->ip, sizeof(in6->sin6_addr));
        length = sizeof(*in6);
    }
    return session_log_peer((const struct sockaddr *)&peer, length, addresses, text, size);
}

const char *death_peer_describe(enum log_addresses addresses, const struct score *score, char *text,
                                size_t size)
{
    char sender[ADDRESS_TEXT_MAX];
    size_t used;

    if (score->state != WORKER_BUSY || score->peer.family == AF_UNSPEC)
        return "nobody";
    (void)describe_end(addresses, &score->peer, text, size);
    if (score->sender.family == AF_UNSPEC || addresses == LOG_ADDRESSES_NONE ||
        memcmp(&score->sender, &score->peer, sizeof(score->peer)) == 0)
        return text;
    used = strlen(text);
    (void)snprintf(text + used, size - used, " through %s",
                   describe_end(addresses, &score->sender, sender, sizeof(sender)));
    return text;
}
