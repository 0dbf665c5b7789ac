// SPDX-License-Identifier: MIT
// Addresses as people write them: what is taken has a host and a port, or a path; a number is
// written again as one that means the same.

#include <arpa/inet.h>

#include "base/address.h"

#include "fuzz.h"

static bool is_number(const struct address_spec *spec)
{
    char bytes[sizeof(struct in6_addr)];

    return spec->kind == ADDRESS_WILDCARD || inet_pton(AF_INET, spec->host, bytes) == 1 ||
           inet_pton(AF_INET6, spec->host, bytes) == 1;
}

static void check_spec(const struct address_spec *spec)
{
    MUST(spec->kind == ADDRESS_UNIX || spec->kind == ADDRESS_WILDCARD ||
         spec->kind == ADDRESS_INET);
    MUST(spec->type == SOCK_STREAM || spec->type == SOCK_DGRAM || spec->type == SOCK_SEQPACKET);
    MUST(spec->speaks == SPEAKS_PLAIN || spec->type == SOCK_STREAM);
    MUST(memchr(spec->path, '\0', sizeof(spec->path)) &&
         memchr(spec->host, '\0', sizeof(spec->host)) &&
         memchr(spec->port, '\0', sizeof(spec->port)));
    if (spec->kind == ADDRESS_UNIX)
        MUST(spec->path[0] == '/' && spec->path[strlen(spec->path) - 1] != '/');
    else
        MUST(spec->host[0] && spec->port[0] && !strpbrk(spec->host, "[]") &&
             !strpbrk(spec->port, " :/%[]"));
}

static size_t resolve(const struct address_spec *spec, struct address *list)
{
    int n = address_resolve(spec, AF_UNSPEC, true, list, ADDRESS_MAX);

    MUST(n <= ADDRESS_MAX);
    return n > 0 ? (size_t)n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[400], spelt[ADDRESS_TEXT_MAX];
    struct address list[ADDRESS_MAX], again[ADDRESS_MAX];
    struct address_spec spec;
    size_t n;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (address_parse(text, &spec))
        return 0;
    check_spec(&spec);
    if (spec.kind != ADDRESS_UNIX &&
        (!is_number(&spec) || strspn(spec.port, "0123456789") != strlen(spec.port)))
        return 0; // names are somebody else's
    n = resolve(&spec, list);
    MUST(n > 0);
    for (size_t i = 0; i < n; i++) {
        enum address_speaks speaks = spec.speaks;

        (void)address_spell(&list[i], speaks, spelt, sizeof(spelt));
        if (list[i].any.sa_family == AF_UNIX && !strstr(text, spelt + strcspn(spelt, "/")))
            continue; // with bytes that cannot be shown
        MUST(!address_parse(spelt, &spec) && spec.speaks == speaks);
        MUST(resolve(&spec, again) >= 1 && address_is_same(&again[0], &list[i]));
        spec.speaks = speaks;
    }
    return 0;
}
