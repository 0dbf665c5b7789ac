// SPDX-License-Identifier: MIT
// Texts to values, by the kinds of settings. A value is taken whole or refused with what is
// allowed; nothing is rounded, cut or guessed. Without memory the start-up aborts.

#include "config/form.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/base.h"
#include "base/rate.h"
#include "base/spelling.h"
#include "base/timespan.h"

bool setting_is_list(const struct setting *setting)
{
    return setting->kind == SETTING_LISTEN || setting->kind == SETTING_LIST ||
           setting->kind == SETTING_PREFIXES;
}

const struct setting *form_find(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->n; i++)
        if (strcmp(form->settings[i].name, name) == 0)
            return &form->settings[i];
    return NULL;
}

const char *form_suggest(const struct form *form, const char *name, unsigned *best)
{
    const char *closest = NULL;

    for (size_t i = 0; i < form->n; i++)
        if (spelling_is_closer(name, form->settings[i].name, best))
            closest = form->settings[i].name;
    return closest;
}

__attribute__((format(printf, 1, 2))) static char *complain(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        base_out_of_memory();
    va_end(arguments);
    return text;
}

static char *set_span(uint64_t *field, const char *text)
{
    int r = timespan_parse(text, field);

    if (r == -ERANGE)
        return complain("\"%s\" is too long; at most 36500d", text);
    if (r < 0)
        return complain("\"%s\" is not a time; write 500ms, 30s, 5min, 2h or 0 for off", text);
    return NULL;
}

static char *set_rate(struct rate *field, const char *text)
{
    int r = rate_parse(text, field);

    if (r == -ERANGE)
        return complain("\"%s\" is too much; %d at most", text, RATE_MAX);
    if (r < 0)
        return complain("\"%s\" is not a rate; write 10/s, 100/min, 1000/h or 0 for off", text);
    return NULL;
}

// Counts in decimal, modes in octal.
static char *set_number(const struct setting *setting, unsigned *field, const char *text)
{
    bool octal = setting->kind == SETTING_MODE;
    const char *digits = octal ? "01234567" : "0123456789";
    unsigned long number = strtoul(text, NULL, octal ? 8 : 10);

    if (*text == '\0' || strspn(text, digits) != strlen(text) || strlen(text) > 10 ||
        number < setting->min || number > setting->max)
        return octal ? complain("\"%s\" is not a file mode; an octal number from 0 to 0777", text)
                     : complain("\"%s\" is not allowed; a whole number from %u to %u", text,
                                setting->min, setting->max);
    *field = (unsigned)number;
    return NULL;
}

static char *set_choice(const struct setting *setting, int *field, const char *text)
{
    char allowed[128] = "";

    for (int i = 0; i < setting->n_names; i++) {
        size_t used = strlen(allowed);

        if (strcmp(setting->names[i], text) == 0) {
            *field = i;
            return NULL;
        }
        (void)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
                       setting->names[i]);
    }
    return complain("\"%s\" is not allowed; one of: %s", text, allowed);
}

// NULL: none.
static char *set_text(char **field, const char *text)
{
    char *copy = text ? base_checked(strdup(text)) : NULL;

    free(*field);
    *field = copy;
    return NULL;
}

// nice, or a file mode mask; -20 is the one number below -19 that there is.
static char *set_inheritable(const struct setting *setting, int64_t *field, const char *text)
{
    bool octal = setting->kind == SETTING_MASK;
    long min = octal ? 0 : -(long)setting->max - 1;
    char *end;
    long number = strtol(text, &end, octal ? 8 : 10);

    if (strcmp(text, "inherit") == 0) {
        *field = INHERIT;
        return NULL;
    }
    if (end == text || *end != '\0' || strchr(" \t\n+", *text) || strlen(text) > 10 ||
        number < min || number > (long)setting->max)
        return octal ? complain("\"%s\" is not a file mode; an octal number from 0 to 0777, or "
                                "inherit",
                                text)
                     : complain("\"%s\" is not allowed; a whole number from %ld to %u, or inherit",
                                text, min, setting->max);
    *field = number;
    return NULL;
}

// A limit of setrlimit(2), in units of 1024 and its powers.
static char *set_limit(const struct setting *setting, int64_t *field, const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (strcmp(text, "inherit") == 0 || strcmp(text, "infinity") == 0) {
        *field = text[2] == 'h' ? INHERIT : (int64_t)RLIM_INFINITY;
        return NULL;
    }
    if (*text < '0' || *text > '9' || (*end != '\0' && (!unit || end[1] != '\0')) ||
        strlen(text) > 15 || number > (uint64_t)(INT64_MAX - 1) >> shift ||
        number << shift < setting->min)
        return complain(
            "\"%s\" is not a limit; a whole number from %u on, with K, M, G or T behind "
            "it or not, infinity or inherit",
            text, setting->min);
    *field = (int64_t)(number << shift);
    return NULL;
}

void text_list_add(struct text_list *list, const char *text)
{
    list->items = base_checked(reallocarray(list->items, list->n + 2, sizeof(list->items[0])));
    list->items[list->n++] = base_checked(strdup(text));
    list->items[list->n] = NULL;
}

void text_list_done(struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

static void free_listen(struct listen *entry)
{
    (void)set_text(&entry->text, NULL);
    (void)set_text(&entry->file, NULL);
}

static char *set_address(struct listen *field, const char *text, const struct place *place)
{
    struct listen entry = {.line = place->line};
    const char *wrong = address_parse(text, &entry.spec);

    if (wrong)
        return complain("\"%s\": %s", text, wrong);
    (void)set_text(&entry.text, text);
    (void)set_text(&entry.file, place->file);
    free_listen(field);
    *field = entry;
    return NULL;
}

static char *add_listen(struct listen_list *list, const char *text, const struct place *place)
{
    struct listen entry = {0};
    char *wrong = set_address(&entry, text, place);

    if (wrong)
        return wrong;
    list->items = base_checked(reallocarray(list->items, list->n + 1, sizeof(entry)));
    list->items[list->n++] = entry;
    return NULL;
}

char *setting_set(const struct setting *setting, void *values, const char *text,
                  const struct place *place)
{
    void *field = (char *)values + setting->offset;

    switch (setting->kind) {
    case SETTING_SPAN:
        return set_span(field, text);
    case SETTING_COUNT:
    case SETTING_MODE:
        return set_number(setting, field, text);
    case SETTING_NUMBER:
    case SETTING_MASK:
        return set_inheritable(setting, field, text);
    case SETTING_LIMIT:
        return set_limit(setting, field, text);
    case SETTING_CHOICE:
        return set_choice(setting, field, text);
    case SETTING_TEXT:
        return set_text(field, text);
    case SETTING_LISTEN:
        return add_listen(field, text, place);
    case SETTING_ADDRESS:
        return set_address(field, text, place);
    case SETTING_LIST:
        text_list_add(field, text);
        return NULL;
    case SETTING_PREFIXES:
        return rule_list_add(field, text, place);
    case SETTING_RATE:
        return set_rate(field, text);
    case SETTING_VARIANT:
        break; // the section's to set: section.c
    }
    return complain("this kind of setting cannot be set so");
}

char *form_init(const struct form *form, void *values)
{
    static const struct place nowhere = {.file = "default"};
    char *first = NULL;

    for (size_t i = 0; i < form->n; i++) {
        const struct setting *setting = &form->settings[i];
        cleanup_free char *wrong = setting->initial
                                       ? setting_set(setting, values, setting->initial, &nowhere)
                                       : NULL;

        if (wrong && !first)
            first = complain("the default %s = %s", setting->name, wrong);
    }
    return first;
}

static void free_listens(struct listen_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free_listen(&list->items[i]);
    free(list->items);
    *list = (struct listen_list){0};
}

void form_done(const struct form *form, void *values)
{
    for (size_t i = 0; i < form->n; i++) {
        void *field = (char *)values + form->settings[i].offset;

        if (form->settings[i].kind == SETTING_TEXT)
            (void)set_text(field, NULL);
        else if (form->settings[i].kind == SETTING_LIST)
            text_list_done(field);
        else if (form->settings[i].kind == SETTING_PREFIXES)
            rule_list_done(field);
        else if (form->settings[i].kind == SETTING_LISTEN)
            free_listens(field);
        else if (form->settings[i].kind == SETTING_ADDRESS)
            free_listen(field);
    }
}
