// SPDX-License-Identifier: MIT
#include "ctl/log_filter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "base/timespan.h"

#define FRACTION_DIGITS 6 // of a second

bool log_filter_set_peer(struct log_filter *filter, const char *text, char wrong[PREFIX_WRONG_MAX])
{
    filter->is_unix = strcmp(text, "unix") == 0 || strcmp(text, "unix:") == 0;
    filter->n_peers = filter->is_unix ? 0 : prefix_parse(text, filter->peers, wrong);
    return filter->n_peers >= 0;
}

// A day's midnight, here, so many days from that of now.
static time_t midnight(time_t now, int days)
{
    struct tm tm;

    if (!localtime_r(&now, &tm))
        return -1;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday += days;
    tm.tm_isdst = -1;
    return mktime(&tm);
}

static time_t parse_clock(const char *text)
{
    static const struct {
        const char *format;
        bool is_utc;
    } forms[] = {{"%Y-%m-%d", false},
                 {"%Y-%m-%d %H:%M", false},
                 {"%Y-%m-%d %H:%M:%S", false},
                 {"%Y-%m-%dT%H:%M:%SZ", true}};
    struct tm tm;

    for (size_t i = 0; i < ELEMENTS(forms); i++) {
        const char *end;

        tm = (struct tm){.tm_isdst = -1};
        end = strptime(text, forms[i].format, &tm);
        if (end && *end == '\0')
            return forms[i].is_utc ? timegm(&tm) : mktime(&tm);
    }
    return -1;
}

// "2026-11-25T14:03:22.118432Z", as lines have it: takes what is behind the point out of it. How
// many microseconds that is.
static uint64_t take_fraction(char *text)
{
    char *point = strchr(text, '.');
    size_t n = point ? strspn(point + 1, "0123456789") : 0;
    uint64_t usec = 0;

    if (n == 0 || strcmp(point + 1 + n, "Z") != 0)
        return 0;
    for (size_t i = 0; i < FRACTION_DIGITS; i++)
        usec = usec * 10 + (i < n ? (uint64_t)(point[1 + i] - '0') : 0);
    point[0] = 'Z';
    point[1] = '\0';
    return usec;
}

bool log_filter_set_since(struct log_filter *filter, const char *text, uint64_t now_realtime_usec)
{
    time_t now = (time_t)(now_realtime_usec / USEC_PER_SEC), found = -1;
    uint64_t ago, fraction = 0;
    char clock[64], *end = NULL;

    if (timespan_parse(text, &ago) == 0) {
        filter->since_usec = ago < now_realtime_usec ? now_realtime_usec - ago : 1;
        return true;
    }
    (void)snprintf(clock, sizeof(clock), "%s", text);
    fraction = take_fraction(clock);
    if (strcmp(text, "today") == 0)
        found = midnight(now, 0);
    else if (strcmp(text, "yesterday") == 0)
        found = midnight(now, -1);
    else if (text[0] == '@' && strspn(text + 1, "0123456789") == strlen(text + 1))
        found = (time_t)strtoll(text + 1, &end, 10);
    else
        found = parse_clock(clock);
    if (found < 0 || found > INT32_MAX * INT64_C(64) || (end && end == text + 1))
        return false;
    filter->since_usec = (uint64_t)found * USEC_PER_SEC + fraction;
    filter->since_usec += filter->since_usec == 0; // 0 is whenever
    return true;
}

// The peer without its port. False: it is none of an internet address.
static bool prefix_of_peer(const char *peer, struct prefix *ret)
{
    bool has_bracket = peer[0] == '[';
    const char *end = has_bracket ? strchr(peer, ']') : strrchr(peer, ':');
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address = {.any.sa_family = has_bracket ? AF_INET6 : AF_INET};
    char host[INET6_ADDRSTRLEN];
    size_t length;

    peer += has_bracket;
    length = end ? (size_t)(end - peer) : strlen(peer);
    if (length >= sizeof(host))
        return false;
    memcpy(host, peer, length);
    host[length] = '\0';
    host[strcspn(host, "%")] = '\0'; // an interface
    return inet_pton(address.any.sa_family, host,
                     has_bracket ? (void *)&address.in6.sin6_addr : &address.in.sin_addr) == 1 &&
           prefix_of_address(&address.any, ret);
}

static bool takes_peer(const struct log_filter *filter, const char *peer)
{
    struct prefix prefix;

    if (filter->is_unix)
        return strncmp(peer, "unix:", strlen("unix:")) == 0;
    if (filter->n_peers == 0)
        return true;
    if (!prefix_of_peer(peer, &prefix))
        return false;
    for (int i = 0; i < filter->n_peers; i++)
        if (prefix_contains(&filter->peers[i], &prefix))
            return true;
    return false;
}

static bool is_same_word(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++)
        if ((*a == ' ' ? '_' : *a) != (*b == ' ' ? '_' : *b))
            return false;
    return *a == *b;
}

bool log_filter_takes(const struct log_filter *filter, const struct session_line *line)
{
    return line->end_realtime_usec >= filter->since_usec &&
           line->duration_usec >= filter->longer_usec &&
           (!filter->result || is_same_word(filter->result, line->result)) &&
           takes_peer(filter, line->peer);
}
