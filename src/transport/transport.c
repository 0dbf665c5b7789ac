// SPDX-License-Identifier: MIT
#include "transport/transport.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/own_object.h"
#include "config/handler.h"
#include "transport/packet.h"
#include "transport/ticket_page.h"
#include "transport/tls_certificates.h"
#include "transport/tls_expiry.h"
#include "transport/websocket/websocket.h"

static const struct websocket_face *websocket_face(char *why, size_t size)
{
    static const struct websocket_face *face;

    if (!face)
        face = own_object_load("websocket", "tcpd_websocket", why, size);
    return face;
}

static bool has_websocket(enum address_speaks speaks)
{
    return speaks == SPEAKS_WS || speaks == SPEAKS_WSS;
}

void transport_load(struct config *config, struct problems *problems, struct problems *warnings)
{
    char why[512];

    for (size_t i = 0; i < config->n_services; i++)
        for (size_t k = 0; k < config->services[i].listen.n; k++) {
            const struct listen *entry = &config->services[i].listen.items[k];

            if (!has_websocket(entry->spec.speaks) || websocket_face(why, sizeof(why)))
                continue;
            problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                         why);
        }
    tls_certificates_load(config, problems, warnings);
}

void transport_tick(const struct config *config, uint64_t now_usec)
{
    ticket_page_turn(now_usec);
    tls_expiry_tick(config, now_usec);
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

// under: the stage that it stands on, NULL: the socket itself.
static struct stage *websocket(const struct door *door, struct stage_end socket,
                               struct stage *under)
{
    static const char *const same[] = {"same"};
    static WITH_SMALL_ONES struct websocket_settings settings;
    const struct websocket *ws = &door->service->websocket;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char why[512];
    const struct websocket_face *face = websocket_face(why, sizeof(why));

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
        .is_tls = door->speaks == SPEAKS_WSS,
        .is_proxied = address.ss_family == AF_UNIX,
        .is_local = is_local((const struct sockaddr *)&address),
        .is_binary = door->service->handler->is_binary,
    };
    if (!face)
        return NULL;
    if (under)
        stage_put_on(face->make(&settings, socket), under);
    else
        (void)face->make(&settings, socket);
    return &settings.stage;
}

static int socket_type(int fd)
{
    int type = SOCK_STREAM;
    socklen_t length = sizeof(type);

    (void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
    return type;
}

static bool has_tls(enum address_speaks speaks)
{
    return speaks == SPEAKS_TLS || speaks == SPEAKS_WSS;
}

void transport_forget_keys(const struct door *door)
{
    if (!has_tls(door->speaks))
        tls_certificates_forget(door->service->handler->loads_code);
}

struct stage *transport_stack(const struct door *door, struct stage_end socket)
{
    struct stage *tls = NULL;

    if (has_tls(door->speaks))
        tls = tls_certificates_stage(door->service, socket, has_websocket(door->speaks));
    if (has_tls(door->speaks) && !tls) // nothing is ever said in plain text in its place
        abort();
    if (has_websocket(door->speaks))
        return websocket(door, socket, tls);
    return tls ? tls : transport_plain(socket_type(door->fd), socket);
}
