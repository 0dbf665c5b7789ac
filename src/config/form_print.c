// SPDX-License-Identifier: MIT
// Values to texts, by the kinds of settings: what form.c reads.

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "base/base.h"
#include "base/character.h"
#include "base/rate.h"
#include "base/timespan.h"
#include "config/form.h"

// In double quotes; what would not be seen, or not be taken as it is, in an escape.
static void print_quoted(const char *text, FILE *stream)
{
    size_t left = strlen(text);

    (void)fputc('"', stream);
    while (left > 0) {
        struct character character = character_at(text, left);

        if (*text == '\n')
            (void)fputs("\\n", stream);
        else if (*text == '\t')
            (void)fputs("\\t", stream);
        else if (strchr("\"\\", *text) || strncmp(text, "${", 2) == 0)
            (void)fprintf(stream, "\\%c", *text);
        else if (character.kind == CHARACTER_PLAIN)
            (void)fwrite(text, 1, character.length, stream);
        else
            for (size_t i = 0; i < character.length; i++)
                (void)fprintf(stream, "\\x%02x", (unsigned char)text[i]);
        text += character.length;
        left -= character.length;
    }
    (void)fputc('"', stream);
}

// A time or a number, in quotes where the language needs them: "1min 30s".
static void print_word(const char *word, FILE *stream)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    if (word[strspn(word, plain)] == '\0')
        (void)fputs(word, stream);
    else
        print_quoted(word, stream);
}

static void print_span(uint64_t usec, FILE *stream)
{
    char text[TIMESPAN_TEXT_MAX];

    print_word(timespan_format(usec, text, sizeof(text)), stream);
}

static void print_rate(const struct rate *rate, FILE *stream)
{
    char text[RATE_TEXT_MAX];

    print_word(rate_format(rate, text, sizeof(text)), stream);
}

// In the largest unit that divides it.
static void print_limit(int64_t limit, FILE *stream)
{
    static const char units[][2] = {"", "K", "M", "G", "T"};
    size_t unit = 0;

    if (limit == INHERIT || limit == (int64_t)RLIM_INFINITY) {
        (void)fputs(limit == INHERIT ? "inherit" : "infinity", stream);
        return;
    }
    for (; limit > 0 && limit % 1024 == 0 && unit + 1 < ELEMENTS(units); unit++)
        limit /= 1024;
    (void)fprintf(stream, "%" PRId64 "%s", limit, units[unit]);
}

static void print_inheritable(const struct setting *setting, int64_t number, FILE *stream)
{
    char text[32] = "inherit";

    if (number != INHERIT)
        (void)snprintf(text, sizeof(text),
                       setting->kind == SETTING_MASK ? "%04" PRIo64 : "%" PRId64, number);
    print_word(text, stream);
}

// A '-' in front of a path says that there need be no such file.
static void print_text(const struct setting *setting, const char *text, const char *folder,
                       FILE *stream)
{
    const char *path = text + (*text == '-');
    cleanup_free char *whole = NULL;

    if (!setting->is_path || *path == '/' || folder[0] == '\0') {
        print_quoted(text, stream);
        return;
    }
    if (asprintf(&whole, "%s%s/%s", path > text ? "-" : "", folder, path) < 0)
        base_out_of_memory();
    print_quoted(whole, stream);
}

static void print_list(const struct setting *setting, const struct text_list *list,
                       const char *folder, FILE *stream)
{
    for (size_t i = 0; i < list->n; i++) {
        (void)fputs(i > 0 ? ", " : "{", stream);
        print_text(setting, list->items[i], folder, stream);
    }
    (void)fputc('}', stream);
}

static void print_listens(const struct listen_list *list, FILE *stream)
{
    for (size_t i = 0; i < list->n; i++) {
        (void)fputs(i > 0 ? ", " : "{", stream);
        print_quoted(list->items[i].text, stream);
    }
    (void)fputc('}', stream);
}

static void print_prefixes(const struct rule_list *list, FILE *stream)
{
    for (size_t i = 0; i < list->n_entries; i++) {
        (void)fputs(i > 0 ? ", " : "{", stream);
        print_quoted(list->entries[i].text, stream);
    }
    (void)fputc('}', stream);
}

static bool has_value(const struct setting *setting, const void *field)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        return *(char *const *)field != NULL;
    case SETTING_ADDRESS:
        return ((const struct listen *)field)->text != NULL;
    case SETTING_LISTEN:
        return ((const struct listen_list *)field)->n > 0;
    case SETTING_LIST:
        return ((const struct text_list *)field)->n > 0;
    case SETTING_PREFIXES:
        return ((const struct rule_list *)field)->n_entries > 0;
    default:
        return setting->kind != SETTING_VARIANT;
    }
}

bool setting_print(const struct setting *setting, const void *values, const char *folder,
                   FILE *stream)
{
    const void *field = (const char *)values + setting->offset;

    if (!has_value(setting, field))
        return false;
    switch (setting->kind) {
    case SETTING_SPAN:
        print_span(*(const uint64_t *)field, stream);
        break;
    case SETTING_COUNT:
        (void)fprintf(stream, "%u", *(const unsigned *)field);
        break;
    case SETTING_MODE:
        (void)fprintf(stream, "%04o", *(const unsigned *)field);
        break;
    case SETTING_NUMBER:
    case SETTING_MASK:
        print_inheritable(setting, *(const int64_t *)field, stream);
        break;
    case SETTING_LIMIT:
        print_limit(*(const int64_t *)field, stream);
        break;
    case SETTING_CHOICE:
        print_word(setting->names[*(const int *)field], stream);
        break;
    case SETTING_TEXT:
        print_text(setting, *(char *const *)field, folder, stream);
        break;
    case SETTING_ADDRESS:
        print_quoted(((const struct listen *)field)->text, stream);
        break;
    case SETTING_LISTEN:
        print_listens(field, stream);
        break;
    case SETTING_LIST:
        print_list(setting, field, folder, stream);
        break;
    case SETTING_PREFIXES:
        print_prefixes(field, stream);
        break;
    case SETTING_RATE:
        print_rate(field, stream);
        break;
    case SETTING_VARIANT:
        break; // it has none
    }
    return true;
}
