// SPDX-License-Identifier: MIT
#include "view/html.h"

#include <inttypes.h>
#include <stdarg.h>

#define REPLACEMENT "\xef\xbf\xbd" // U+FFFD
#define FORMAT_MAX  512

static void end_tag(struct html *html)
{
    if (html->is_in_tag)
        (void)fputc('>', html->stream);
    html->is_in_tag = false;
}

// What no text may have is shown as such. Bytes of UTF-8 stay.
static void escape(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '&')
            (void)fputs("&amp;", stream);
        else if (c == '<')
            (void)fputs("&lt;", stream);
        else if (c == '>')
            (void)fputs("&gt;", stream);
        else if (c == '"')
            (void)fputs("&quot;", stream);
        else if (c == '\'')
            (void)fputs("&#39;", stream);
        else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            (void)fputs(REPLACEMENT, stream);
        else
            (void)fputc(c, stream);
    }
}

void html_open(struct html *html, const char *name)
{
    end_tag(html);
    (void)fprintf(html->stream, "<%s", name);
    html->is_in_tag = true;
}

void html_attribute(struct html *html, const char *name, const char *value)
{
    (void)fprintf(html->stream, " %s=\"", name);
    escape(html->stream, value);
    (void)fputc('"', html->stream);
}

void html_attribute_number(struct html *html, const char *name, uint64_t value)
{
    (void)fprintf(html->stream, " %s=\"%" PRIu64 "\"", name, value);
}

void html_flag(struct html *html, const char *name)
{
    (void)fprintf(html->stream, " %s", name);
}

void html_close(struct html *html, const char *name)
{
    end_tag(html);
    (void)fprintf(html->stream, "</%s>", name);
}

void html_end(struct html *html)
{
    (void)fputs("/>", html->stream);
    html->is_in_tag = false;
}

void html_text(struct html *html, const char *text)
{
    end_tag(html);
    escape(html->stream, text);
}

void html_format(struct html *html, const char *format, ...)
{
    char text[FORMAT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    html_text(html, text);
}

void html_element(struct html *html, const char *name, const char *kind, const char *text)
{
    html_open(html, name);
    if (kind)
        html_attribute(html, "class", kind);
    html_text(html, text);
    html_close(html, name);
}

void html_link(struct html *html, const char *where, const char *text)
{
    html_open(html, "a");
    html_attribute(html, "href", where);
    html_text(html, text);
    html_close(html, "a");
}
