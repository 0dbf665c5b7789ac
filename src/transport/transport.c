// SPDX-License-Identifier: MIT
#include "transport/transport.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base.h"
#include "config/handler.h"
#include "transport/packet.h"
#include "base/own_object.h"

void transport_load(const struct config *config, struct problems *problems)
{
    char why[512];

    for (size_t i = 0; i < config->n_services; i++)
        for (size_t k = 0; k < config->services[i].listen.n; k++) {
            const struct listen *entry = &config->services[i].listen.items[k];

            if (entry->spec.speaks != SPEAKS_WS || websocket_load(why, sizeof(why)))
                continue;
            problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                         why);
        }
}

// Whether only this machine's programs come in there.
static bool is_local(const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;

    if (address->sa_family == AF_INET)
        return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    return address->sa_family == AF_UNIX;
}

static struct websocket_list as_list(const struct text_list *list)
{
    return (struct websocket_list){(const char *const *)list->items, list->n};
}

static enum websocket_messages messages_of(const struct service *service)
{
    static const enum websocket_messages kinds[WS_MESSAGES_N] = {
        [WS_MESSAGES_AUTO] = WEBSOCKET_AUTO,
        [WS_MESSAGES_LINE] = WEBSOCKET_LINE,
        [WS_MESSAGES_TEXT] = WEBSOCKET_TEXT,
        [WS_MESSAGES_BINARY] = WEBSOCKET_BINARY};
    if (service->websocket.messages == WS_MESSAGES_AUTO && service->handler->starts_processes)
        return WEBSOCKET_LINE; // a program knows bytes alone
    return kinds[service->websocket.messages];
}

static struct stage *websocket(const struct door *door, struct stage_end socket)
{
    static const char *const same[] = {"same"};
    static struct websocket_settings settings;
    const struct websocket *ws = &door->service->websocket;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    const struct websocket_face *face = websocket_face();

    (void)getsockname(door->fd, (struct sockaddr *)&address, &length);
    settings = (struct websocket_settings){
        .origins = ws->origins.n > 0 ? as_list(&ws->origins) : (struct websocket_list){same, 1},
        .hosts = as_list(&ws->hosts),
        .protocols = as_list(&ws->protocols),
        .path = ws->path,
        .messages = messages_of(door->service),
        .message_max = (uint64_t)ws->message_max,
        .ping_usec = ws->ping_usec,
        .has_page = ws->has_page,
        .is_proxied = address.ss_family == AF_UNIX,
        .is_local = is_local((const struct sockaddr *)&address),
        .is_binary = door->service->handler->is_binary,
    };
    return face ? face->make(&settings, socket) : NULL;
}

static int socket_type(int fd)
{
    int type = SOCK_STREAM;
    socklen_t length = sizeof(type);

    (void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
    return type;
}

struct stage *transport_stack(const struct door *door, struct stage_end socket)
{
    if (door->speaks == SPEAKS_WS)
        return websocket(door, socket);
    return transport_plain(socket_type(door->fd), socket);
}
