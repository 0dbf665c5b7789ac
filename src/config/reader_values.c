// SPDX-License-Identifier: MIT
// What libconfuse hands over: values, lists, and the ends of sections.

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "config/reader_private.h"

#define SECTIONS_MAX  1024
#define ADDRESSES_MAX 1024 // to listen on

// The section that a value of cfg belongs to.
static struct section *section_of(const cfg_t *cfg)
{
    const struct section_kind *kind = reader_kind_of(cfg);

    if (kind == reader_reading->reader->language->file)
        return reader_reading->own;
    if (!reader_reading->open)
        reader_reading->open = section_new(kind, NULL, reader_reading->reader->problems);
    return reader_reading->open;
}

static void forget_lists(struct file *file)
{
    while (file->lists) {
        struct list *list = file->lists;

        file->lists = list->next;
        free(list->name);
        free(list->last);
        free(list);
    }
}

void reader_forget_open(struct file *file)
{
    section_free(file->open);
    file->open = NULL;
    forget_lists(file);
}

static struct list *find_list(const char *name)
{
    struct list *list = reader_reading->lists;

    while (list && strcmp(list->name, name) != 0)
        list = list->next;
    if (list)
        return list;
    list = base_checked(calloc(1, sizeof(*list)));
    *list = (struct list){.name = base_checked(strdup(name)), .next = reader_reading->lists};
    return reader_reading->lists = list;
}

// The library calls after each value of a list and once more at its closing brace: true then.
static bool is_list_end(const struct list *list, size_t size, const char *value)
{
    return size == list->n && !list->ended && list->last && strcmp(value, list->last) == 0;
}

static void remember_listed(struct list *list, size_t size, const char *value)
{
    free(list->last);
    list->last = base_checked(strdup(value));
    list->n = size;
    list->ended = false;
}

// False: not a value, or one of a list that begins a second time (with `+=` it goes on instead).
static bool take_listed(const struct section *section, const char *name, size_t size,
                        const char *value, const struct place *place)
{
    struct list *list = find_list(name);
    bool repeated = section_line(section, name) != 0 && size <= list->n;

    if (size == 0)
        return false;
    if (is_list_end(list, size, value)) {
        list->ended = true;
        return false;
    }
    remember_listed(list, size, value);
    if (repeated)
        section_refuse_again(section, name, place);
    return !repeated;
}

int reader_on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    struct section *section = section_of(cfg);
    struct place place = {.file = cfg->filename, .line = cfg->line};
    size_t size = cfg_opt_size(opt);
    const char *value = size > 0 ? cfg_opt_getnstr(opt, (unsigned)size - 1) : "";
    struct reader *reader = reader_reading->reader;
    const struct setting *setting;

    setting = section_find(section, opt->name);
    if (setting_is_list(setting) && !take_listed(section, opt->name, size, value, &place))
        return 0;
    if (setting->kind == SETTING_LISTEN && reader->n_addresses++ == ADDRESSES_MAX) {
        reader_stop(reader, &place, "1024 addresses to listen on");
        return -1;
    }
    (void)section_set(section, opt->name, value, &place);
    return 0;
}

// A list that was begun anew at its end has lost what it had: it was given twice.
static void refuse_lost_lists(const cfg_t *cfg, const struct place *place)
{
    for (const struct list *list = reader_reading->lists; list; list = list->next)
        if (cfg_size((cfg_t *)(uintptr_t)cfg, list->name) < list->n)
            section_refuse_again(reader_reading->open, list->name, place);
}

// False: there is one already, which is told.
static bool remember_title(struct reader *reader, const struct section_kind *kind, const char *text,
                           const struct place *place)
{
    struct title *title = reader->titles;
    char first[4096];

    while (title && (title->kind != kind || strcmp(title->text, text) != 0))
        title = title->next;
    if (title) {
        problems_add(reader->problems, place->file, place->line,
                     "%s \"%s\" is configured twice; the first is at %s", kind->name, text,
                     problems_place(title->file, title->line, first, sizeof(first)));
        return false;
    }
    title = base_checked(calloc(1, sizeof(*title)));
    *title = (struct title){.kind = kind,
                            .text = base_checked(strdup(text)),
                            .file = base_checked(strdup(place->file)),
                            .line = place->line,
                            .next = reader->titles};
    reader->titles = title;
    return true;
}

// At the closing brace of a section, whose title is "LINE:TITLE" (reader_grammar.h).
int reader_on_section(cfg_t *cfg, cfg_opt_t *opt)
{
    const cfg_t *cfg_section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    struct section *section = section_of(cfg_section);
    struct reader *reader = reader_reading->reader;
    struct place end = {.file = cfg->filename, .line = cfg->line}, begin = end;
    char *title;

    begin.line = (int)strtol(cfg_section->title, &title, 10);
    title++;
    if (reader->n_sections++ == SECTIONS_MAX) {
        reader_stop(reader, &end, "1024 sections");
        return -1;
    }
    refuse_lost_lists(cfg_section, &end);
    section->is_again = !remember_title(reader, section->kind, title, &begin);
    reader_reading->open = NULL;
    section_end(section, title, begin.line, &end);
    forget_lists(reader_reading);
    return 0;
}
