// SPDX-License-Identifier: MIT
// Values on the load generator's command line. One that is wrong ends the program with status 64.
#pragma once

#include <arpa/inet.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// A number, also a fraction, times `scale`; the product lies in 1..most.
static inline uint64_t value_parse_number(const char *text, double scale, double most)
{
    char *end;
    double number = strtod(text, &end) * scale;

    if (end == text || *end || !(number >= 1 && number <= most))
        errx(64, "%s: not a number in range", text);
    return (uint64_t)number;
}

static inline struct sockaddr_in value_parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[16], port[6], tail;

    if (sscanf(text, "%15[0-9.]:%5[0-9]%c", host, port, &tail) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        errx(64, "%s: not IPV4:PORT", text);
    address.sin_port = htons((uint16_t)value_parse_number(port, 1, 65535));
    return address;
}
