// SPDX-License-Identifier: MIT
// What is sent is what was asked for, sense or not: this is for trying what a service makes of it.

#include "client/proxy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/trace.h"

#define FIXED_MAX (16 + 216 + 7) // of a header without TLVs: head, two paths, checksum
#define TLV_HEAD  3

enum status proxy_set_kind(struct proxy_options *options, const char *text)
{
    for (int i = 0; i < PROXY_KINDS; i++)
        if (strcmp(text, proxy_kind_names[i]) == 0) {
            options->is_on = true;
            options->kind = (enum proxy_kind)i;
            return STATUS_DONE;
        }
    return status_say(STATUS_USAGE, "--proxy-protocol %s: must be v1, v2, local or unknown", text);
}

// Names are not looked up: a proxy has none.
static const char *set_inet(struct address *end, const struct address_spec *spec)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    bool is_ipv4 = inet_pton(AF_INET, spec->host, &in.sin_addr) == 1;

    if (!is_ipv4 && inet_pton(AF_INET6, spec->host, &in6.sin6_addr) != 1)
        return "the address must be a number";
    if (strspn(spec->port, "0123456789") != strlen(spec->port))
        return "the port must be a number";
    in.sin_port = in6.sin6_port = htons((uint16_t)atoi(spec->port));
    end->length = is_ipv4 ? sizeof(in) : sizeof(in6);
    memcpy(&end->storage, is_ipv4 ? (const void *)&in : &in6, end->length);
    return NULL;
}

enum status proxy_set_end(struct address *end, const char *option, const char *text)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct address_spec spec;
    const char *wrong = address_parse(text, &spec);

    *end = (struct address){.type = SOCK_STREAM};
    if (!wrong && (spec.type != SOCK_STREAM || spec.speaks != SPEAKS_PLAIN))
        wrong = "must be ADDRESS:PORT or unix:/PATH";
    if (!wrong && spec.kind == ADDRESS_UNIX) {
        memcpy(un.sun_path, spec.path, sizeof(un.sun_path));
        memcpy(&end->storage, &un, sizeof(un));
        end->length = sizeof(un);
    } else if (!wrong) {
        wrong = set_inet(end, &spec);
    }
    return wrong ? status_say(STATUS_USAGE, "%s %s: %s", option, text, wrong) : STATUS_DONE;
}

enum status proxy_add_tlv(struct proxy_options *options, const char *text)
{
    bool is_type = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
                   isxdigit((unsigned char)text[2]) && isxdigit((unsigned char)text[3]);

    if (!is_type || text[4] != '=')
        return status_say(STATUS_USAGE,
                          "--proxy-tlv %s: must be 0xTT=TEXT, such as "
                          "0x02=example.org",
                          text);
    if (options->n_tlvs == PROXY_TLVS_MAX)
        return status_say(STATUS_USAGE, "--proxy-tlv %s: there are at most %d", text,
                          PROXY_TLVS_MAX);
    options->tlvs[options->n_tlvs++] = (struct proxy_tlv){
        .type = (uint8_t)strtoul(text, NULL, 16), .value = text + 5, .length = strlen(text + 5)};
    return STATUS_DONE;
}

static bool is_path(const struct address *end, const struct address_spec *target)
{
    return end->length > 0 ? end->any.sa_family == AF_UNIX : target->kind == ADDRESS_UNIX;
}

static const char *check_ends(const struct proxy_options *options,
                              const struct address_spec *target)
{
    bool source_is_path = is_path(&options->source, target);
    bool destination_is_path = is_path(&options->destination, target);

    if (options->kind != PROXY_V1 && options->kind != PROXY_V2)
        return options->source.length > 0 || options->destination.length > 0
                   ? "--proxy-source and --proxy-destination are for --proxy-protocol v1 and v2"
                   : NULL;
    if (options->kind == PROXY_V1 && (source_is_path || destination_is_path))
        return "--proxy-protocol v1 has no unix addresses: give --proxy-source and "
               "--proxy-destination";
    if (source_is_path != destination_is_path)
        return "of --proxy-source and --proxy-destination one is a path and the other is not";
    return NULL;
}

const char *proxy_check(const struct proxy_options *options, const struct address_spec *target)
{
    bool has_fields = options->n_tlvs > 0 || options->has_crc;
    size_t size = FIXED_MAX;

    if (!options->is_on)
        return has_fields || options->source.length > 0 || options->destination.length > 0
                   ? "--proxy-source, --proxy-destination, --proxy-tlv and --proxy-crc need "
                     "--proxy-protocol"
                   : NULL;
    if (target->type != SOCK_STREAM)
        return "--proxy-protocol is for streams";
    if (has_fields && options->kind != PROXY_V2 && options->kind != PROXY_LOCAL)
        return "--proxy-tlv and --proxy-crc are for --proxy-protocol v2 and local";
    for (size_t i = 0; i < options->n_tlvs; i++)
        size += TLV_HEAD + options->tlvs[i].length;
    if (size > PROXY_HEADER_MAX)
        return "--proxy-tlv: the header would be longer than 4096 bytes";
    return check_ends(options, target);
}

// An end as it was given, or the socket's.
static struct address end_of(const struct address *given, int fd,
                             int (*name_of)(int, struct sockaddr *, socklen_t *))
{
    struct address own = {.length = sizeof(own.storage)};

    if (given->length > 0)
        return *given;
    if (name_of(fd, &own.any, &own.length) < 0)
        own = (struct address){.length = sizeof(sa_family_t)}; // the peer has gone
    return own;
}

static void tell_sent(enum proxy_kind kind, const struct address *source,
                      const struct address *destination, size_t n)
{
    bool has_ends = kind == PROXY_V1 || kind == PROXY_V2;
    char from[ADDRESS_TEXT_MAX] = "", to[ADDRESS_TEXT_MAX] = "";

    if (has_ends) {
        (void)address_format(&source->any, source->length, from, sizeof(from));
        (void)address_format(&destination->any, destination->length, to, sizeof(to));
    }
    trace_say("sent a PROXY header of %zu bytes: %s%s%s%s%s", n, proxy_kind_names[kind],
              has_ends ? ", from " : "", from, has_ends ? " to " : "", to);
}

enum status proxy_begin(const struct proxy_options *options, const struct peer *peer)
{
    struct address source = end_of(&options->source, peer->fd, getsockname);
    struct address destination = end_of(&options->destination, peer->fd, getpeername);
    const struct proxy_message message = {.kind = options->kind,
                                          .source = &source.any,
                                          .destination = &destination.any,
                                          .tlvs = options->tlvs,
                                          .n_tlvs = options->n_tlvs,
                                          .has_crc = options->has_crc};
    uint8_t data[PROXY_HEADER_MAX];
    ssize_t size = proxy_header_write(&message, data, sizeof(data)), n;

    if (size < 0) // its address was not to be had
        return status_tell(peer->name, -ECONNRESET);
    n = send(peer->fd, data, (size_t)size, MSG_NOSIGNAL); // a new socket has room for all of it
    if (n != size)
        return status_tell(peer->name, n < 0 ? -errno : -EAGAIN);
    tell_sent(options->kind, &source, &destination, (size_t)size);
    return STATUS_DONE;
}
