// SPDX-License-Identifier: MIT
// Writes HTML, and the SVG within it, by its parts: tags, attributes, text. Names are constants of
// ours; whatever else comes is escaped where it stands. Nothing is ever formatted into markup.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct html {
    FILE *stream;
    bool is_in_tag; // attributes may come
};

// <name, whose attributes come next; text and other tags end it.
void html_open(struct html *html, const char *name);
void html_attribute(struct html *html, const char *name, const char *value);
void html_attribute_number(struct html *html, const char *name, uint64_t value);
// An attribute without a value.
void html_flag(struct html *html, const char *name);
// </name>
void html_close(struct html *html, const char *name);
// Ends a tag that has nothing in it: <rect ... />.
void html_end(struct html *html);

void html_text(struct html *html, const char *text);
__attribute__((format(printf, 2, 3))) void html_format(struct html *html, const char *format, ...);

// <name class="kind">text</name>; kind NULL: without one.
void html_element(struct html *html, const char *name, const char *kind, const char *text);
// <a href="where">text</a>
void html_link(struct html *html, const char *where, const char *text);
