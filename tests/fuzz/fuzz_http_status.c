// SPDX-License-Identifier: MIT
// A request as the handler status judges it: who is answered has asked for a host that nobody else
// can have, and for a path that there is; names of services are what they were written as.

#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "status/status_request.h"

#define OWN "status.example"

// The host as a browser would have it, before its port.
static bool is_ours(struct http_text host)
{
    size_t n = 0;

    while (n < host.length && host.data[n] != ':')
        n++;
    if (host.data[0] == '[')
        return true;
    if ((n == strlen("localhost") && strncasecmp(host.data, "localhost", n) == 0) ||
        (n == strlen(OWN) && strncasecmp(host.data, OWN, n) == 0))
        return true;
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)host.data[i]) && host.data[i] != '.')
            return false;
    return n > 0;
}

static void check_names(const struct status_wish *wish)
{
    char name[HTTP_LINE_MAX];
    size_t at = 0;

    MUST(strlen(wish->services) < sizeof(wish->services));
    MUST(wish->has_services || wish->services[0] == '\0');
    while (status_wish_next(wish, &at, name)) {
        MUST(name[0] != '\0' && !strchr(name, ','));
        for (const char *c = name; *c; c++)
            MUST(*c > ' ' && *c <= '~');
        MUST(status_wish_has(wish, name));
    }
    MUST(at <= strlen(wish->services));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char own[] = OWN;
    static char *names[] = {own, NULL};
    static const struct text_list hosts = {.items = names, .n = 1};
    struct http_request request = {.is_page = true};
    struct status_wish wish;
    const char *why = NULL;
    int status;

    if (http_request_read(&request, (const char *)data, size) != HTTP_WHOLE)
        return 0;
    status = status_request_judge(&request, &hosts, &wish, &why);
    MUST(status == 200 || status == 400 || status == 404 || status == 421);
    MUST(status == 200 || (why && why[0]));
    if (status != 200)
        return 0;
    MUST(request.host.data ? is_ours(request.host) : request.is_old);
    MUST(!wish.is_open || wish.what == STATUS_METRICS);
    check_names(&wish);
    return 0;
}
