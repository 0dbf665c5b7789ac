// SPDX-License-Identifier: MIT
// A page of somebody's, whose name leads to this machine for a moment (DNS rebinding), would be of
// the same origin as ours, and could read it: so only hosts that nobody else can have will do.

#include "status/status_request.h"

#include <string.h>
#include <strings.h>

#include "base/base.h"
#include "transport/http_host.h"

#define OK               200
#define BAD_REQUEST      400
#define NOT_FOUND        404
#define MISDIRECTED      421
#define OPEN_METRICS     "application/openmetrics-text"
#define TAKES_SERVICES   1
#define TAKES_HISTOGRAMS 2

static const struct {
    const char *path;
    enum status_what what;
    int takes; // of a query
} paths[] = {
    {"/", STATUS_PAGE, TAKES_SERVICES},
    {"/part", STATUS_PART, TAKES_SERVICES},
    {"/metrics", STATUS_METRICS, TAKES_SERVICES | TAKES_HISTOGRAMS},
    {"/json", STATUS_JSON, 0},
    {"/json/sessions", STATUS_SESSIONS, TAKES_SERVICES},
    {"/healthz", STATUS_HEALTH, 0},
    {"/status.js", STATUS_SCRIPT, 0},
    {"/status.css", STATUS_STYLE, 0},
    {"/status.svg", STATUS_ICON, 0},
};

// Compared whole: a name that only begins with ours is another's.
static int judge_host(struct http_text host, const struct text_list *hosts, const char **ret_why)
{
    struct http_place place;

    if (!http_place_parse(host, &place)) {
        *ret_why = "the host is malformed";
        return BAD_REQUEST;
    }
    if (place.is_number || http_text_is_anycase(place.host, "localhost"))
        return OK;
    for (size_t i = 0; i < hosts->n; i++)
        if (http_text_is_anycase(place.host, hosts->items[i]))
            return OK;
    *ret_why = "the host is not an address, localhost, or one of status_hosts";
    return MISDIRECTED;
}

bool status_host_is_name(const char *text)
{
    struct http_text host = {.data = text, .length = strlen(text)};
    struct http_place place;

    return http_place_parse(host, &place) && place.host.length == host.length && !place.is_number;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, c | 0x20) : NULL;

    return found ? (int)(found - digits) : -1;
}

// The byte that comes next in a value, 1 to 255; 0: it is none that a name can have.
static unsigned next_byte(struct http_text value, size_t *at)
{
    char c = value.data[(*at)++];
    int high, low;

    if (c != '%')
        return (unsigned char)c;
    if (*at + 2 > value.length)
        return 0;
    high = digit(value.data[(*at)++]);
    low = digit(value.data[(*at)++]);
    return high < 0 || low < 0 ? 0 : (unsigned)(high << 4 | low);
}

// Adds its names, which are shorter than what they are written in: there is room. False: a byte is
// wrong.
static bool add_services(struct status_wish *wish, struct http_text value)
{
    size_t used = strlen(wish->services);

    wish->has_services = true;
    for (size_t at = 0; at < value.length;) {
        unsigned c = next_byte(value, &at);

        if (c <= ' ' || c >= 0x7f)
            return false;
        wish->services[used++] = (char)c;
    }
    wish->services[used++] = ',';
    wish->services[used] = '\0';
    return true;
}

static bool take_pair(struct status_wish *wish, int takes, struct http_text name,
                      struct http_text value)
{
    if ((takes & TAKES_SERVICES) && http_text_is(name, "service"))
        return add_services(wish, value);
    if (!(takes & TAKES_HISTOGRAMS) || !http_text_is(name, "histograms"))
        return false;
    wish->without_histograms = http_text_is(value, "0");
    return wish->without_histograms || http_text_is(value, "1");
}

static struct http_text part_of(const char *begin, const char *end)
{
    return (struct http_text){.data = begin, .length = (size_t)(end - begin)};
}

static int read_query(struct status_wish *wish, int takes, struct http_text query,
                      const char **ret_why)
{
    const char *begin = query.data, *last = begin ? begin + query.length : NULL;

    while (begin < last) {
        const char *and = memchr(begin, '&', (size_t)(last - begin));
        const char *end = and? and : last;
        const char *is = memchr(begin, '=', (size_t)(end - begin));

        *ret_why = "the query is not one of this path; service=NAME and histograms=0 may be";
        if (!is || !take_pair(wish, takes, part_of(begin, is), part_of(is + 1, end)))
            return BAD_REQUEST;
        begin = and? end + 1 : last;
    }
    return OK;
}

// Of "type/subtype;a=b;c=d" what stands before the next semicolon, which is taken off.
static struct http_text next_parameter(struct http_text *range)
{
    const char *end = range->data + range->length;
    const char *mark = memchr(range->data, ';', range->length);
    struct http_text part = part_of(range->data, mark ? mark : end);

    *range = part_of(mark ? mark + 1 : end, end);
    while (part.length > 0 && strchr(" \t", part.data[0]))
        part = part_of(part.data + 1, part.data + part.length);
    while (part.length > 0 && strchr(" \t", part.data[part.length - 1]))
        part.length--;
    return part;
}

// Takes a word in any case off the beginning. False: it is not there.
static bool take_word(struct http_text *text, const char *word)
{
    size_t n = strlen(word);

    if (text->length < n || strncasecmp(text->data, word, n) != 0)
        return false;
    *text = part_of(text->data + n, text->data + text->length);
    return true;
}

// A quality of nothing is a no.
static bool is_zero_quality(struct http_text parameter)
{
    if (!take_word(&parameter, "q=0"))
        return false;
    for (size_t i = 0; i < parameter.length; i++)
        if (!strchr(".0", parameter.data[i]))
            return false;
    return true;
}

// 1.0.0, or 0.0.1 as old clients say; what is no version does not matter.
static bool is_other_version(struct http_text parameter)
{
    return take_word(&parameter, "version=") && !take_word(&parameter, "1.") &&
           !take_word(&parameter, "0.0.");
}

static bool is_open_metrics(struct http_text range)
{
    struct http_text type = next_parameter(&range);
    bool is_ours = http_text_is_anycase(type, OPEN_METRICS);

    while (range.length > 0) {
        struct http_text parameter = next_parameter(&range);

        if (is_other_version(parameter) || is_zero_quality(parameter))
            is_ours = false;
    }
    return is_ours;
}

static bool accepts_open_metrics(const struct http_request *request)
{
    const struct http_field *field;

    for (size_t at = 0; (field = http_request_next(request, "Accept", &at));) {
        struct http_text list = field->value, range;

        while (http_list_next(&list, &range))
            if (is_open_metrics(range))
                return true;
    }
    return false;
}

int status_request_judge(const struct http_request *request, const struct text_list *hosts,
                         struct status_wish *ret, const char **ret_why)
{
    int status = request->host.data ? judge_host(request->host, hosts, ret_why) : OK;
    size_t i = 0;

    *ret = (struct status_wish){0};
    if (status != OK)
        return status;
    while (i < ELEMENTS(paths) && !http_text_is(request->path, paths[i].path))
        i++;
    if (i == ELEMENTS(paths)) {
        *ret_why = "there is no such page";
        return NOT_FOUND;
    }
    ret->what = paths[i].what;
    ret->is_open = ret->what == STATUS_METRICS && accepts_open_metrics(request);
    return read_query(ret, paths[i].takes, request->query, ret_why);
}

const char *status_wish_next(const struct status_wish *wish, size_t *at, char name[HTTP_LINE_MAX])
{
    while (wish->services[*at] != '\0') {
        size_t n = strcspn(wish->services + *at, ",");

        memcpy(name, wish->services + *at, n);
        name[n] = '\0';
        *at += n + 1;
        if (n > 0)
            return name;
    }
    return NULL;
}

bool status_wish_has(const struct status_wish *wish, const char *service)
{
    char name[HTTP_LINE_MAX];
    size_t at = 0;

    if (!wish->has_services)
        return true;
    while (status_wish_next(wish, &at, name))
        if (strcmp(name, service) == 0)
            return true;
    return false;
}
