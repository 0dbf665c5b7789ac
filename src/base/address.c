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

const char *const address_speaks_names[SPEAKS_N] = {
    [SPEAKS_PLAIN] = "plain", [SPEAKS_TLS] = "tls", [SPEAKS_WS] = "ws", [SPEAKS_WSS] = "wss"};

#define BARE(example) "needs an address behind it, such as " example

// What may stand before an address. A host of that name has a dot behind it: "udp.:7".
static const struct prefix {
    const char *text;
    enum address_speaks speaks;
    int type;
    bool is_path;
    const char *bare, *no_path; // what is wrong with a port or a path behind it
} prefixes[] = {
    {"unix:", SPEAKS_PLAIN, SOCK_STREAM, true, NULL, NULL},
    {"unix-dgram:", SPEAKS_PLAIN, SOCK_DGRAM, true, NULL, NULL},
    {"unix-seqpacket:", SPEAKS_PLAIN, SOCK_SEQPACKET, true, NULL, NULL},
    {"udp:", SPEAKS_PLAIN, SOCK_DGRAM, false, BARE("udp:127.0.0.1:7007"),
     "UDP has no paths: write unix-dgram:/PATH"},
    {"tls:", SPEAKS_TLS, SOCK_STREAM, false, BARE("tls:127.0.0.1:7443"),
     "TLS is for internet addresses: write unix:/PATH"},
    {"ws:", SPEAKS_WS, SOCK_STREAM, false, BARE("ws:127.0.0.1:8007"),
     "WebSocket needs a stream: write ws:unix:/PATH"},
    {"wss:", SPEAKS_WSS, SOCK_STREAM, false, BARE("wss:127.0.0.1:8443"),
     "TLS is for internet addresses: write ws:unix:/PATH"},
};

static const char no_such_prefix[] = "there is no such prefix: TCP has none, others are tls:, ws:, "
                                     "wss:, udp:, unix:, unix-dgram: and unix-seqpacket:";

static const struct prefix *find_prefix(const char *text)
{
    for (size_t i = 0; i < ELEMENTS(prefixes); i++)
        if (strncmp(text, prefixes[i].text, strlen(prefixes[i].text)) == 0)
            return &prefixes[i];
    return NULL;
}

const char *address_type_name(int type)
{
    return type == SOCK_DGRAM ? "datagram" : type == SOCK_SEQPACKET ? "seqpacket" : "stream";
}

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

// "tcp://host:7", "seqpacket:/run/x": what other programs call a kind of socket.
static bool names_a_kind(const char *text)
{
    static const char *const kinds[] = {"tcp",        "raw",       "rdm",    "packet", "unixgram",
                                        "unixpacket", "seqpacket", "stream", "dgram"};
    size_t length = strcspn(text, ":");

    if (text[length] == '\0' || !strpbrk(text + length + 1, ":/"))
        return false; // a host of that name may well be meant
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (strlen(kinds[i]) == length && memcmp(kinds[i], text, length) == 0)
            return true;
    return false;
}

static bool is_ipv4(const char *host)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;

    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

// What is written like a number must be one, of which no name service knows better. 127.1 is one.
static const char *check_number(const char *host)
{
    char bare[sizeof(((struct address_spec *)0)->host)];
    struct in6_addr in6;

    if (strspn(host, "0123456789.") == strlen(host))
        return is_ipv4(host) ? NULL : "an IPv4 address is four numbers from 0 to 255";
    (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(host, "%"), host); // the interface
    if (strchr(bare, ':') && inet_pton(AF_INET6, bare, &in6) != 1)
        return "an IPv6 address is eight hexadecimal numbers between colons, or fewer and one ::";
    return NULL;
}

static const char *parse_inet(const char *text, struct address_spec *spec)
{
    const char *colon, *host = text, *wrong;
    size_t length;

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
    if (length >= sizeof(spec->host))
        return "the host name is too long";
    memcpy(spec->host, host, length);
    if (strpbrk(spec->host, "[]"))
        return "the brackets do not match: write [ADDRESS]:PORT";
    wrong = check_number(spec->host);
    if (wrong)
        return wrong;
    if (strcmp(spec->host, "*") == 0)
        spec->kind = ADDRESS_WILDCARD;
    return parse_port(colon + 1, spec);
}

const char *address_parse(const char *text, struct address_spec *ret_spec)
{
    const struct prefix *prefix = find_prefix(text), *second;
    bool is_path;

    *ret_spec = (struct address_spec){.kind = ADDRESS_INET, .type = SOCK_STREAM};
    if (!prefix)
        return names_a_kind(text) ? no_such_prefix : parse_inet(text, ret_spec);
    text += strlen(prefix->text);
    ret_spec->speaks = prefix->speaks;
    ret_spec->type = prefix->type;
    if (prefix->is_path)
        return parse_unix(text, ret_spec);
    second = find_prefix(text);
    is_path = second && second->is_path;
    if (is_path && prefix->speaks == SPEAKS_WS && second->type == SOCK_STREAM)
        return parse_unix(text + strlen(second->text), ret_spec);
    if (second)
        return is_path ? prefix->no_path : "an address has one prefix";
    return text[0] == '/' || !strchr(text, ':') ? prefix->bare : parse_inet(text, ret_spec);
}

const char *address_strerror(int error)
{
    if (error == EAI_SYSTEM)
        return strerror(errno);
    return error == EAI_SERVICE ? "/etc/services has no port of that name; write its number"
                                : gai_strerror(error);
}

static int resolve_unix(const struct address_spec *spec, struct address *ret)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->storage;

    *ret = (struct address){.length = sizeof(*un), .type = spec->type};
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

static size_t copy_list(const struct addrinfo *found, int type, bool dual_stack,
                        struct address *list, size_t max)
{
    size_t n = 0;

    for (const struct addrinfo *ai = found; ai && n < max; ai = ai->ai_next) {
        list[n] = (struct address){
            .length = ai->ai_addrlen, .type = type, .dual_stack = dual_stack};
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
        .ai_socktype = spec->type,
        .ai_protocol = spec->type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP,
        .ai_flags = passive ? AI_PASSIVE : 0,
    };
    size_t n;
    int r;

    r = getaddrinfo(wildcard ? NULL : spec->host, spec->port, &hints, &found);
    if (r != 0)
        return r;
    n = copy_list(found, spec->type, wildcard && hints.ai_family == AF_INET6, list, max);
    freeaddrinfo(found);
    return (int)n;
}

int address_resolve(const struct address_spec *spec, int family, bool passive, struct address *list,
                    size_t max)
{
    const char *what = passive ? "an address to listen on," : "the address of";
    char about[sizeof(spec->host) + sizeof(spec->port) + 24];
    struct answer answer;
    int n;

    if (spec->kind == ADDRESS_UNIX)
        return max > 0 ? resolve_unix(spec, list) : 0;
    (void)snprintf(about, sizeof(about), "%s%s:%s%s", spec->type == SOCK_DGRAM ? "udp:" : "",
                   spec->host, spec->port,
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
        if (n == EAI_SYSTEM)
            answers_note_failure(what, about, errno);
        else if (n < 0)
            answers_note(what, about, &n, sizeof(n));
        else
            answers_note(what, about, list, (size_t)n * sizeof(list[0]));
        return n;
    }
    if (answer.size == sizeof(n)) { // why there are none
        memcpy(&n, answer.bytes, sizeof(n));
        return n;
    }
    n = (int)(answer.size / sizeof(list[0]) < max ? answer.size / sizeof(list[0]) : max);
    memcpy(list, answer.bytes, (size_t)n * sizeof(list[0]));
    return n > 0 ? n : EAI_NONAME;
}

const char *address_spell(const struct address *address, enum address_speaks speaks, char *text,
                          size_t size)
{
    bool is_path = address->any.sa_family == AF_UNIX;
    const struct prefix *prefix = NULL; // TCP without more has none
    char bare[ADDRESS_TEXT_MAX], *rest = bare;

    for (size_t i = 0; i < ELEMENTS(prefixes); i++)
        if (prefixes[i].speaks == speaks && prefixes[i].type == address->type &&
            prefixes[i].is_path == (is_path && speaks == SPEAKS_PLAIN))
            prefix = &prefixes[i];
    (void)address_format(&address->any, address->length, bare, sizeof(bare));
    if (address->dual_stack)
        (void)snprintf(bare, sizeof(bare), "*:%u", address_port(&address->any));
    if (is_path && speaks == SPEAKS_PLAIN)
        rest += strlen("unix:");
    (void)snprintf(text, size, "%s%s", prefix ? prefix->text : "", rest);
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

    if (a->type != b->type)
        return false;
    if (a->any.sa_family == AF_UNIX && b->any.sa_family == AF_UNIX) // lengths differ by the NUL
        return strncmp(a_un->sun_path, b_un->sun_path, sizeof(a_un->sun_path)) == 0;
    return a->length == b->length && a->dual_stack == b->dual_stack &&
           memcmp(&a->storage, &b->storage, a->length) == 0;
}
