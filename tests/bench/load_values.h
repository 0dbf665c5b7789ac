// SPDX-License-Identifier: MIT
// Values on the load generator's command line. One that is wrong ends the program with status 64.
#pragma once

#include <arpa/inet.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

// A number, also a fraction, times `scale`; the product lies in 1..most.
static inline uint64_t value_parse_number(const char *text, double scale, double most)
{
    char *end;
    double number = strtod(text, &end) * scale;

    if (end == text || *end || !(number >= 1 && number <= most))
        errx(64, "%s: not a number in range", text);
    return (uint64_t)number;
}

// IPV4:PORT into *ret.
static inline void value_parse_address(const char *text, struct sockaddr_in *ret)
{
    char host[16], port[6], tail;

    *ret = (struct sockaddr_in){.sin_family = AF_INET};
    if (sscanf(text, "%15[0-9.]:%5[0-9]%c", host, port, &tail) != 2 ||
        inet_pton(AF_INET, host, &ret->sin_addr) != 1)
        errx(64, "%s: neither IPV4:PORT nor /PATH", text);
    ret->sin_port = htons((uint16_t)value_parse_number(port, 1, 65535));
}

static inline void value_parse_path(const char *text, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(text) >= sizeof(ret->sun_path))
        errx(64, "%s: too long a path", text);
    (void)stpcpy(ret->sun_path, text);
}

// One of the names, which end with NULL; its place among them.
static inline size_t value_parse_name(const char *text, const char *const *names)
{
    size_t i = 0;

    while (names[i] && strcmp(names[i], text) != 0)
        i++;
    if (!names[i])
        errx(64, "%s: no such value", text);
    return i;
}
