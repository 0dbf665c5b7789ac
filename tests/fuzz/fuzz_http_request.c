// SPDX-License-Identifier: MIT
// http_request.c: any cut has the same result at the same byte; what is found lies in the head.

#include "transport/http_request.h"

#include "fuzz.h"

static void check_text(struct http_text text, const char *data, size_t length)
{
    MUST(text.data >= data && text.data + text.length <= data + length);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];

        MUST((c >= ' ' || c == '\t') && c != 0x7f);
    }
}

static void check_whole(const struct http_request *request, const char *data)
{
    MUST(request->n_seen <= HTTP_HEAD_MAX && request->n_fields <= HTTP_FIELDS_MAX);
    MUST(memcmp(data + request->n_seen - 4, "\r\n\r\n", 4) == 0);
    check_text(request->path, data, request->n_seen);
    MUST(request->host.data || request->is_old);
    if (request->host.data)
        check_text(request->host, data, request->n_seen);
    MUST(request->is_page || (!request->is_old && !request->is_head));
    MUST(request->path.length > 0 && request->path.data[0] == '/');
    if (request->query.data)
        check_text(request->query, data, request->n_seen);
    for (size_t i = 0; i < request->n_fields; i++) {
        MUST(http_is_token(request->fields[i].name));
        check_text(request->fields[i].name, data, request->n_seen);
        check_text(request->fields[i].value, data, request->n_seen);
        MUST(!http_text_is_anycase(request->fields[i].name, "Transfer-Encoding"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cuts cuts = {size ? data[0] : 0};
    bool is_page = size && (data[0] & 0x80);
    struct http_request whole = {.is_page = is_page}, pieces = {.is_page = is_page};
    const char *text = (const char *)data + 1;
    int status, result = HTTP_MORE;

    if (size == 0)
        return 0;
    size--;
    status = http_request_read(&whole, text, size);
    for (size_t n = 0; n < size && result == HTTP_MORE;) {
        n += next_piece(&cuts, size - n);
        result = http_request_read(&pieces, text, n);
    }
    MUST(result == status && pieces.n_seen == whole.n_seen && whole.n_seen <= size);
    MUST(status == HTTP_MORE || status == HTTP_WHOLE || status == 400 || status == 405 ||
         status == 414 || status == 431 || (status == 413 && is_page));
    if (status == HTTP_WHOLE)
        check_whole(&whole, text);
    return 0;
}
