// SPDX-License-Identifier: MIT
// HTTP/1.1 by RFC 9112, without what only old or odd clients do: bare LF, folded lines, spaces
// before a colon, bodies. Pages are asked for by HTTP/1.0, too: checks of load
// balancers speak it, and no browser does, so that it needs no Host. Whoever reads a request in
// another way than a proxy before it invites smuggling; so nothing is mended here. Each byte is
// looked at once, and a line when its LF has come.

#include "transport/http_request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define BAD_REQUEST        400
#define METHOD_NOT_ALLOWED 405
#define CONTENT_TOO_LARGE  413
#define URI_TOO_LONG       414
#define FIELDS_TOO_LARGE   431

static struct http_text text_of(const char *begin, const char *end)
{
    return (struct http_text){.data = begin, .length = (size_t)(end - begin)};
}

bool http_text_is(struct http_text text, const char *word)
{
    return text.data && strlen(word) == text.length && memcmp(text.data, word, text.length) == 0;
}

bool http_text_is_anycase(struct http_text text, const char *word)
{
    return text.data && strlen(word) == text.length &&
           strncasecmp(text.data, word, text.length) == 0;
}

static bool is_token_character(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_is_token(struct http_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_token_character(text.data[i]))
            return false;
    return text.length > 0;
}

static struct http_text trim(struct http_text text)
{
    while (text.length > 0 && strchr(" \t", text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && strchr(" \t", text.data[text.length - 1]))
        text.length--;
    return text;
}

bool http_list_next(struct http_text *list, struct http_text *ret_element)
{
    while (list->length > 0) {
        const char *end = list->data + list->length;
        const char *comma = memchr(list->data, ',', list->length);

        *ret_element = trim(text_of(list->data, comma ? comma : end));
        *list = text_of(comma ? comma + 1 : end, end);
        if (ret_element->length > 0)
            return true;
    }
    return false;
}

const struct http_field *http_request_next(const struct http_request *request, const char *name,
                                           size_t *at)
{
    while (*at < request->n_fields) {
        const struct http_field *field = &request->fields[(*at)++];

        if (http_text_is_anycase(field->name, name))
            return field;
    }
    return NULL;
}

// Takes what is before the next space off the line, and the space; all of it where there is none.
static struct http_text next_word(struct http_text *line)
{
    const char *end = line->data + line->length;
    const char *space = memchr(line->data, ' ', line->length);
    struct http_text word = text_of(line->data, space ? space : end);

    *line = text_of(space ? space + 1 : end, end);
    return word;
}

// Printable ASCII but for a fragment and what every browser encodes.
static bool is_target(struct http_text target)
{
    for (size_t i = 0; i < target.length; i++)
        if (target.data[i] <= ' ' || target.data[i] > '~' || strchr("\"#<>", target.data[i]))
            return false;
    return target.length > 0;
}

// The length of the scheme of an absolute target, with its slashes; 0: it is none. A proxy may have
// taken TLS off, so either will do.
static size_t scheme_length(struct http_text target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i]);

        if (target.length >= n && strncasecmp(target.data, schemes[i], n) == 0)
            return n;
    }
    return 0;
}

// RFC 9112, 3.2.2: of an absolute target the host counts, whatever the field Host says.
static bool split_target(struct http_request *request, struct http_text target)
{
    const char *begin = target.data, *end = begin + target.length, *mark;
    size_t n = scheme_length(target);

    if (n > 0) {
        begin += n;
        for (mark = begin; mark < end && *mark != '/' && *mark != '?'; mark++)
            ;
        if (mark == begin)
            return false;
        request->host = text_of(begin, mark);
        begin = mark;
    }
    mark = memchr(begin, '?', (size_t)(end - begin));
    request->path = text_of(begin, mark ? mark : end);
    if (n > 0 && request->path.length == 0) // means "/"; the scheme has one
        request->path = text_of(request->host.data - 1, request->host.data);
    if (mark)
        request->query = text_of(mark + 1, end);
    return request->path.length > 0 && request->path.data[0] == '/';
}

static int read_first_line(struct http_request *request, struct http_text line)
{
    struct http_text method = next_word(&line), target = next_word(&line);

    request->is_old = request->is_page && http_text_is(line, "HTTP/1.0");
    request->is_head = request->is_page && http_text_is(method, "HEAD");
    if (!http_is_token(method) || target.length == 0 ||
        (!request->is_old && !http_text_is(line, "HTTP/1.1")))
        return BAD_REQUEST;
    if (!request->is_head && !http_text_is(method, "GET"))
        return METHOD_NOT_ALLOWED;
    return is_target(target) && split_target(request, target) ? HTTP_MORE : BAD_REQUEST;
}

// RFC 3986, 3.2.2: what a host and a port may consist of.
static bool may_be_host(struct http_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!isalnum((unsigned char)text.data[i]) && !strchr("-._~%!$&'()*+,;=:[]", text.data[i]))
            return false;
    return true;
}

// What fields may not say: a second Host, one that is none beside an absolute target, or that a
// body comes. Without such a target whoever asks for the host judges it.
static int judge_field(struct http_request *request, const struct http_field *field)
{
    if (http_text_is_anycase(field->name, "Host")) {
        if (request->has_host || (request->host.data && !may_be_host(field->value)))
            return BAD_REQUEST;
        request->has_host = true;
        if (!request->host.data)
            request->host = field->value;
    }
    if ((http_text_is_anycase(field->name, "Content-Length") && !http_text_is(field->value, "0")) ||
        http_text_is_anycase(field->name, "Transfer-Encoding"))
        return request->is_page ? CONTENT_TOO_LARGE : BAD_REQUEST;
    return HTTP_MORE;
}

static int read_field(struct http_request *request, struct http_text line)
{
    const char *end = line.data + line.length;
    const char *colon = memchr(line.data, ':', line.length);
    struct http_field field;

    if (!colon || !http_is_token(text_of(line.data, colon)))
        return BAD_REQUEST;
    if (request->n_fields == HTTP_FIELDS_MAX)
        return FIELDS_TOO_LARGE;
    field = (struct http_field){text_of(line.data, colon), trim(text_of(colon + 1, end))};
    request->fields[request->n_fields++] = field;
    return judge_field(request, &field);
}

static int read_line(struct http_request *request, struct http_text line)
{
    if (!request->path.data)
        return read_first_line(request, line);
    if (line.length > 0)
        return read_field(request, line);
    return request->has_host || request->is_old ? HTTP_WHOLE : BAD_REQUEST;
}

// A byte that stands where data[at] does: never a control, but for CRLF, and tabs among the fields.
static bool is_allowed(const struct http_request *request, const char *data, size_t at)
{
    bool is_behind_cr = at > request->line && data[at - 1] == '\r';
    unsigned char c = (unsigned char)data[at];

    if (is_behind_cr || c == '\n')
        return is_behind_cr && c == '\n';
    return (c >= ' ' && c != 0x7f) || c == '\r' || (c == '\t' && request->path.data);
}

static int too_long(const struct http_request *request, size_t n)
{
    if (!request->path.data)
        return n >= HTTP_LINE_MAX ? URI_TOO_LONG : HTTP_MORE;
    return n >= HTTP_HEAD_MAX ? FIELDS_TOO_LARGE : HTTP_MORE;
}

static int see_byte(struct http_request *request, const char *data)
{
    size_t at = request->n_seen++;
    struct http_text line;

    if (!is_allowed(request, data, at))
        return BAD_REQUEST;
    if (data[at] != '\n')
        return too_long(request, request->n_seen);
    line = text_of(data + request->line, data + at - 1);
    request->line = request->n_seen;
    return read_line(request, line);
}

int http_request_read(struct http_request *request, const char *data, size_t length)
{
    int status = HTTP_MORE;

    while (status == HTTP_MORE && request->n_seen < length)
        status = see_byte(request, data);
    if (status == HTTP_MORE && request->n_seen >= HTTP_HEAD_MAX)
        status = FIELDS_TOO_LARGE;
    return status;
}
