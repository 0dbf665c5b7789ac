// SPDX-License-Identifier: MIT
// A line is NAME=VALUE, or begins with # or ; and says nothing. In a value, quotes of both kinds
// keep what is between them; a backslash keeps what is behind it, and joins the next line, but not
// in single quotes. Nothing is replaced. What systemd passes over in silence is refused.

#include "program/program_environment_file.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define BLANKS " \t\r"

struct scan {
    const char *at;
    int line;
    char *value; // as long as the text
    size_t n;
};

static char take(struct scan *scan)
{
    scan->line += *scan->at == '\n';
    return *scan->at++;
}

static void keep(struct scan *scan, char c)
{
    scan->value[scan->n++] = c;
}

// Behind a backslash; without quotes each character may stand there.
static void take_escaped(struct scan *scan, bool is_quoted)
{
    char c = *scan->at;

    if (c == '\0')
        return;
    (void)take(scan);
    if (is_quoted && !strchr("\"\\`$\n", c))
        keep(scan, '\\');
    if (c != '\n')
        keep(scan, c);
}

// Behind the quote that begins. False: none ends it.
static bool take_quoted(struct scan *scan, char quote)
{
    while (*scan->at != '\0') {
        char c = take(scan);

        if (c == quote)
            return true;
        if (c == '\\' && quote == '"')
            take_escaped(scan, true);
        else
            keep(scan, c);
    }
    return false;
}

// To the end of the line, at which blanks do not count.
static void take_plain(struct scan *scan)
{
    size_t end = scan->n;

    while (*scan->at != '\0' && *scan->at != '\n') {
        char c = take(scan);

        if (c == '\\')
            take_escaped(scan, false);
        else
            keep(scan, c);
        if (c == '\\' || !strchr(BLANKS, c))
            end = scan->n;
    }
    scan->n = end;
}

// Quoted parts, then one without quotes, in which they are characters as others. The line at which
// a quote begins that does not end; 0: there is none.
static int take_value(struct scan *scan)
{
    int unended = 0;

    scan->n = 0;
    while (unended == 0 && *scan->at != '\0' && *scan->at != '\n') {
        int line = scan->line;

        if (strchr(BLANKS, *scan->at))
            (void)take(scan);
        else if (*scan->at != '"' && *scan->at != '\'')
            take_plain(scan);
        else if (!take_quoted(scan, take(scan)))
            unended = line;
    }
    keep(scan, '\0');
    return unended;
}

// One variable, or a line that is none.
static char *take_variable(struct scan *scan, const char **ret_wrong)
{
    const char *name = scan->at;
    size_t length = strcspn(name, "=\n");
    bool has_value = name[length] == '=';
    char *entry = NULL;

    scan->at += length + has_value;
    while (length > 0 && strchr(BLANKS, name[length - 1]))
        length--;
    *ret_wrong = NULL;
    if (has_value && take_value(scan) > 0)
        *ret_wrong = "the quote does not end";
    else if (!has_value)
        *ret_wrong = "write NAME=VALUE";
    if (asprintf(&entry, "%.*s%s%s", (int)length, name, has_value ? "=" : "",
                 has_value ? scan->value : "") < 0)
        base_out_of_memory();
    return entry;
}

void environment_file_parse(const char *text, const char *path,
                            const char *(*why_not)(const char *entry, const void *data),
                            const void *data, struct text_list *ret, struct problems *problems)
{
    cleanup_free char *value = base_checked(malloc(strlen(text) + 1));
    struct scan scan = {.at = text, .line = 1, .value = value};

    while (*scan.at != '\0') {
        cleanup_free char *entry = NULL;
        const char *wrong;
        int line = scan.line;

        if (strchr(BLANKS "\n", *scan.at)) {
            (void)take(&scan);
            continue;
        }
        if (*scan.at == '#' || *scan.at == ';') {
            scan.at += strcspn(scan.at, "\n");
            continue;
        }
        entry = take_variable(&scan, &wrong);
        if (!wrong)
            wrong = why_not(entry, data);
        if (wrong)
            problems_add(problems, path, line, "\"%.*s\": %s", (int)strcspn(entry, "="), entry,
                         wrong);
        else
            text_list_add(ret, entry);
    }
}
