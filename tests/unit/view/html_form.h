// SPDX-License-Identifier: MIT
// Whether HTML is well-formed, as a reader that knows nothing of ours sees it: each element is
// closed by its own end, in order; values stand between quotes, and have no < in them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define HTML_DEPTH 64

struct html_name {
    const char *text;
    size_t n;
};

static inline bool html_name_is(struct html_name name, const char *word)
{
    return strlen(word) == name.n && memcmp(word, name.text, name.n) == 0;
}

static inline bool html_is_void(struct html_name name)
{
    return html_name_is(name, "meta") || html_name_is(name, "link") ||
           html_name_is(name, "!DOCTYPE");
}

// NULL, or where it is not.
static inline const char *html_fault(const char *html)
{
    struct html_name open[HTML_DEPTH];
    size_t depth = 0;

    for (const char *c = strchr(html, '<'); c; c = strchr(c, '<')) {
        const char *tag = c;
        bool is_end = c[1] == '/', is_quoted = false;
        struct html_name name = {c + 1 + is_end, strcspn(c + 1 + is_end, " />")};

        for (c++; *c != '\0' && (is_quoted || *c != '>'); c++) {
            if (*c == '<')
                return tag;
            is_quoted ^= *c == '"';
        }
        if (*c != '>' || name.n == 0)
            return tag;
        if (is_end) {
            if (depth == 0 || open[--depth].n != name.n ||
                memcmp(open[depth].text, name.text, name.n) != 0)
                return tag;
        } else if (c[-1] != '/' && !html_is_void(name)) {
            if (depth == HTML_DEPTH)
                return tag;
            open[depth++] = name;
        }
    }
    return depth == 0 ? NULL : open[depth - 1].text;
}
