// SPDX-License-Identifier: MIT
// The files of page/ are made constants by the Makefile.

#include "transport/websocket/page.h"

#include <stdint.h>
#include <stdio.h>

#include "base/base.h"

static const uint8_t html[] = {
#include "page/index.html.inc"
};
static const uint8_t script[] = {
#include "page/tcpd.js.inc"
};
static const uint8_t style[] = {
#include "page/tcpd.css.inc"
};

static const struct {
    const char *path, *type;
    const uint8_t *body;
    size_t length;
} files[] = {
    {"/", "text/html", html, sizeof(html)},
    {"/tcpd.js", "text/javascript", script, sizeof(script)},
    {"/tcpd.css", "text/css", style, sizeof(style)},
};

bool page_find(struct http_text path, struct http_text ret[2])
{
    static char head[800];

    for (size_t i = 0; i < ELEMENTS(files); i++) {
        int n;

        if (!http_text_is(path, files[i].path))
            continue;
        n = snprintf(head, sizeof(head),
                     "HTTP/1.1 200 OK\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\n"
                     "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                     "style-src 'self'; connect-src 'self'; base-uri 'none'; "
                     "frame-ancestors 'none'; form-action 'none'\r\n"
                     "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                     files[i].type, files[i].length);
        ret[0] = (struct http_text){head, (size_t)n};
        ret[1] = (struct http_text){(const char *)files[i].body, files[i].length};
        return true;
    }
    return false;
}
