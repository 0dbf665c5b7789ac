// SPDX-License-Identifier: MIT
// The head of one HTTP request that has no body, read strictly as it arrives. Knows nothing of what
// it is asked for. Pure: it points into the caller's buffer, which has to stay where it is.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX   8192 // a whole head, with its blank line
#define HTTP_LINE_MAX   4096 // its first line, with CRLF
#define HTTP_FIELDS_MAX 64

struct http_text {
    const char *data; // NULL: there is none
    size_t length;
};

struct http_field {
    struct http_text name, value; // the value without spaces around it
};

// All zero before the first byte, but for is_page.
struct http_request {
    bool is_page;           // HEAD and HTTP/1.0 will do, too, and a body has a status of its own
    bool is_head, is_old;   // what came of these
    struct http_text path;  // from its slash to the query; as it came, with any %20
    struct http_text query; // behind the question mark
    struct http_text host;  // of the target, else of the field Host; HTTP/1.0 may have none
    bool has_host;          // the field
    size_t n_fields;
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t n_seen; // once whole: the length of the head; what is behind it belongs to nobody yet
    size_t line;   // where the line begins that is being read
};

enum { HTTP_MORE = 0, HTTP_WHOLE = 1 };

// Looks at what came since the last call; data and length are all that has come. HTTP_MORE: more is
// needed; HTTP_WHOLE; or the status of an answer that refuses it (400, 405, 414, 431, of a page
// 413), at the first byte that is wrong, however the bytes were cut. After one of these it is not
// to be called again.
int http_request_read(struct http_request *request, const char *data, size_t length);

// The first field of that name (any case) from *at on, which is set behind it; NULL: no more.
const struct http_field *http_request_next(const struct http_request *request, const char *name,
                                           size_t *at);

// The next element of a list with commas, without spaces around it; it is taken off the list.
// Empty ones are passed over. False: no more.
bool http_list_next(struct http_text *list, struct http_text *ret_element);

bool http_text_is(struct http_text text, const char *word);         // the same bytes
bool http_text_is_anycase(struct http_text text, const char *word); // of ASCII
bool http_is_token(struct http_text text);
