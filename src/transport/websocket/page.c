// SPDX-License-Identifier: MIT
// The files of page/ are made constants by the Makefile.

#include "transport/websocket/page.h"

#include <stdint.h>
#include <stdio.h>

#include "base/base.h"

// As page_data.c has them, which the Makefile makes.
extern const uint8_t page_index_html[], page_tcpd_js[], page_tcpd_css[];
extern const size_t page_index_html_size, page_tcpd_js_size, page_tcpd_css_size;

static const struct {
    const char *path, *type;
    const uint8_t *body;
    const size_t *length;
} files[] = {
    {"/", "text/html", page_index_html, &page_index_html_size},
    {"/tcpd.js", "text/javascript", page_tcpd_js, &page_tcpd_js_size},
    {"/tcpd.css", "text/css", page_tcpd_css, &page_tcpd_css_size},
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
                     files[i].type, *files[i].length);
        ret[0] = (struct http_text){head, (size_t)n};
        ret[1] = (struct http_text){(const char *)files[i].body, *files[i].length};
        return true;
    }
    return false;
}
