// SPDX-License-Identifier: MIT
// Addresses: text to parts, parts to socket addresses, socket addresses to text. Never guesses: a
// text without a port, or with an unbalanced bracket, is refused with words.

#include "base/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/answers.h"
#include "base/base.h"

// What the notes and every text on sockets take for granted (P7).
static_assert(sizeof(struct sockaddr) == 16, "struct sockaddr");
static_assert(sizeof(struct sockaddr_in) == 16, "struct sockaddr_in");
static_assert(sizeof(struct sockaddr_in6) == 28, "struct sockaddr_in6");

static const char *parse_unix(const char *path, struct address_spec *spec)
{
    spec->kind = ADDRESS_UNIX;
    if (path[0] != '/')
        return "a unix address needs an absolute path: unix:/run/name";
    if (path[strlen(path) - 1] == '/')
        return "a unix address is the path of a socket, not of a directory";
    if (strlen(path) >= sizeof(spec->path))
        return "the path of a unix address has at most 107 bytes";
    strcpy(spec->path, path);
    return NULL;
}

static const char *parse_port(const char *port, struct address_spec *spec)
{
    if (port[0] == '\0')
        return "the port is missing: write ADDRESS:PORT";
    if (strlen(port) >= sizeof(spec->port))
        return "the port's name is too long";
    if (strspn(port, "0123456789") == strlen(port)) {
        if (strlen(port) > 5 || atoi(port) > 65535)
            return "a port is a number from 0 to 65535";
    } else {
        for (const char *p = port; *p; p++)
            if (!isalnum((unsigned char)*p) && (p == port || !strchr("-_.+", *p)))
                return "a port is a number from 0 to 65535 or a service name";
    }
    strcpy(spec->port, port);
    return NULL;
}

// "udp:127.0.0.1:7", "tcp://host:7", "seqpacket:/run/x": a kind of socket before an address.
static bool names_a_kind(const char *text)
{
    static const char *const kinds[] = {"tcp",      "udp",       "raw",    "rdm",  "packet",
                                        "unixgram", "seqpacket", "stream", "dgram"};
    size_t length = strcspn(text, ":");

    if (text[length] == '\0' || !strpbrk(text + length + 1, ":/"))
        return false; // a host of that name may well be meant
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (strlen(kinds[i]) == length && memcmp(kinds[i], text, length) == 0)
            return true;
    return false;
}

const char *address_parse(const char *text, struct address_spec *ret_spec)
{
    const char *colon, *host = text;
    size_t length;

    *ret_spec = (struct address_spec){.kind = ADDRESS_INET};
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, ret_spec);
    if (names_a_kind(text))
        return "only stream sockets are served: write ADDRESS:PORT or unix:/PATH";
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');

        if (!bracket)
            return "the closing bracket is missing: write [ADDRESS]:PORT";
        host = text + 1;
        length = (size_t)(bracket - host);
        colon = bracket + 1;
    } else {
        colon = strrchr(text, ':');
        length = colon ? (size_t)(colon - text) : 0;
        if (colon && memchr(text, ':', length))
            return "an IPv6 address needs brackets: write [ADDRESS]:PORT";
    }
    if (!colon || *colon != ':')
        return "the port is missing: write ADDRESS:PORT";
    if (length == 0)
        return "the address is missing: write ADDRESS:PORT, *:PORT for all";
    if (length >= sizeof(ret_spec->host))
        return "the host name is too long";
    memcpy(ret_spec->host, host, length);
    if (strpbrk(ret_spec->host, "[]"))
        return "the brackets do not match: write [ADDRESS]:PORT";
    if (strcmp(ret_spec->host, "*") == 0)
        ret_spec->kind = ADDRESS_WILDCARD;
    return parse_port(colon + 1, ret_spec);
}

static int resolve_unix(const struct address_spec *spec, struct address *ret)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->storage;

    *ret = (struct address){.length = sizeof(*un)};
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, spec->path);
    return 1;
}

void address_unmap(struct address *address)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy(&in6, &address->storage, sizeof(in6));
    if (in6.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return;
    in.sin_port = in6.sin6_port;
    memcpy(&in.sin_addr, &in6.sin6_addr.s6_addr[12], sizeof(in.sin_addr));
    memset(&address->storage, 0, sizeof(address->storage));
    memcpy(&address->storage, &in, sizeof(in));
    address->length = sizeof(in);
}

static size_t copy_list(const struct addrinfo *found, bool dual_stack, struct address *list,
                        size_t max)
{
    size_t n = 0;

    for (const struct addrinfo *ai = found; ai && n < max; ai = ai->ai_next) {
        list[n] = (struct address){.length = ai->ai_addrlen, .dual_stack = dual_stack};
        memcpy(&list[n].storage, ai->ai_addr, ai->ai_addrlen);
        address_unmap(&list[n++]);
    }
    return n;
}

static int look_up(const struct address_spec *spec, int family, bool passive, struct address *list,
                   size_t max)
{
    bool wildcard = spec->kind == ADDRESS_WILDCARD;
    struct addrinfo *found = NULL;
    struct addrinfo hints = {
        .ai_family = wildcard && family == AF_UNSPEC ? AF_INET6 : family,
        .ai_socktype = SOCK_STREAM,
        .ai_protocol = IPPROTO_TCP,
        .ai_flags = passive ? AI_PASSIVE : 0,
    };
    size_t n;
    int r;

    r = getaddrinfo(wildcard ? NULL : spec->host, spec->port, &hints, &found);
    if (r != 0)
        return r;
    n = copy_list(found, wildcard && hints.ai_family == AF_INET6, list, max);
    freeaddrinfo(found);
    return (int)n;
}

int address_resolve(const struct address_spec *spec, int family, bool passive, struct address *list,
                    size_t max)
{
    const char *what = passive ? "an address to listen on," : "the address of";
    char about[sizeof(spec->host) + sizeof(spec->port) + 16];
    struct answer answer;
    int n;

    if (spec->kind == ADDRESS_UNIX)
        return max > 0 ? resolve_unix(spec, list) : 0;
    (void)snprintf(about, sizeof(about), "%s:%s%s", spec->host, spec->port,
                   family == AF_INET    ? " (IPv4)"
                   : family == AF_INET6 ? " (IPv6)"
                                        : "");
    n = answers_find(what, about, &answer);
    if (n < 0) {
        errno = -n;
        return EAI_SYSTEM;
    }
    if (n == 0) {
        n = look_up(spec, family, passive, list, max);
        answers_note(what, about, list, n > 0 ? (size_t)n * sizeof(list[0]) : 0);
        return n;
    }
    n = (int)(answer.size / sizeof(list[0]) < max ? answer.size / sizeof(list[0]) : max);
    memcpy(list, answer.bytes, (size_t)n * sizeof(list[0]));
    return n > 0 ? n : EAI_NONAME;
}

static void format_unix(const struct sockaddr_un *un, socklen_t length, char *text, size_t size)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t n = length > head ? (size_t)length - head : 0;
    size_t used = (size_t)snprintf(text, size, "unix:");

    if (n > sizeof(un->sun_path))
        n = sizeof(un->sun_path);
    for (size_t i = 0; i < n && used + 1 < size; i++) {
        unsigned char c = (unsigned char)un->sun_path[i];

        if (c == '\0' && i > 0)
            break;
        text[used++] = (char)(c == '\0' ? '@' : isprint(c) ? c : '?');
    }
    text[used] = '\0';
}

static void format_inet6(const struct sockaddr_in6 *in6, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN], scope[16] = "";

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        (void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof(host));
        (void)snprintf(text, size, "%s:%u", host, ntohs(in6->sin6_port));
        return;
    }
    (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    if (in6->sin6_scope_id != 0)
        (void)snprintf(scope, sizeof(scope), "%%%u", in6->sin6_scope_id);
    (void)snprintf(text, size, "[%s%s]:%u", host, scope, ntohs(in6->sin6_port));
}

const char *address_format(const struct sockaddr *address, socklen_t length, char *text,
                           size_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    char host[INET_ADDRSTRLEN];

    assert(size > sizeof("unix:"));
    if (length >= sizeof(sa_family_t) && address->sa_family == AF_UNIX) {
        format_unix((const struct sockaddr_un *)(const void *)address, length, text, size);
    } else if (length >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
        format_inet6((const struct sockaddr_in6 *)(const void *)address, text, size);
    } else if (length >= sizeof(*in) && address->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        (void)snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    } else {
        (void)snprintf(text, size, "unknown");
    }
    return text;
}

unsigned address_port(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

bool address_is_wildcard(const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
    return address->sa_family == AF_INET && in->sin_addr.s_addr == INADDR_ANY;
}

bool address_is_same(const struct address *a, const struct address *b)
{
    const struct sockaddr_un *a_un = (const struct sockaddr_un *)(const void *)&a->storage;
    const struct sockaddr_un *b_un = (const struct sockaddr_un *)(const void *)&b->storage;

    if (a->any.sa_family == AF_UNIX && b->any.sa_family == AF_UNIX) // lengths differ by the NUL
        return strncmp(a_un->sun_path, b_un->sun_path, sizeof(a_un->sun_path)) == 0;
    return a->length == b->length && a->dual_stack == b->dual_stack &&
           memcmp(&a->storage, &b->storage, a->length) == 0;
}
