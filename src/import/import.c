// SPDX-License-Identifier: MIT
// The list of what was read, and what is said of it.

#include "import/import.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "base/escape.h"

#define SHOWN_MAX 4000 // bytes of a text of somebody's that a message has

char *import_plain(const char *words)
{
    char shown[SHOWN_MAX];

    escape_text(words, shown, sizeof(shown));
    return text_make("%s", shown);
}

const char *import_file(struct import *import, const char *file)
{
    cleanup_free char *plain = import_plain(file);
    size_t i = words_find(&import->files, plain);

    if (i == import->files.n)
        words_add(&import->files, plain, strlen(plain));
    return import->files.items[i];
}

static struct item *add_item(struct import *import)
{
    size_t n = import->n_items;

    if ((n & (n - 1)) == 0) // there is room for powers of two: tens of thousands may come
        import->items = base_checked(
            reallocarray(import->items, n > 0 ? 2 * n : 1, sizeof(import->items[0])));
    import->items[n] = (struct item){0};
    return &import->items[import->n_items++];
}

struct entry *import_entry(struct import *import, const struct place *place, const char *name)
{
    struct entry *entry = base_checked(calloc(1, sizeof(*entry)));

    entry->place = *place;
    entry->name = text_make("%s", name);
    add_item(import)->entry = entry;
    return entry;
}

void entry_set(struct entry *entry, const char *name, const char *format, ...)
{
    cleanup_free char *value = NULL;
    va_list arguments;

    va_start(arguments, format);
    value = text_make_v(format, arguments);
    va_end(arguments);
    text_add(&entry->lines, "    %s = %s\n", name, value);
}

void entry_set_networks(struct entry *entry, const char *name, const struct networks *networks)
{
    struct text text = {0};

    if (networks->n == 0)
        return;
    networks_write(networks, &text);
    entry_set(entry, name, "%s", text.bytes);
    text_done(&text);
}

void entry_listen(struct entry *entry, const struct door *door)
{
    struct door *added;

    entry->doors = base_checked(
        reallocarray(entry->doors, entry->n_doors + 1, sizeof(entry->doors[0])));
    added = &entry->doors[entry->n_doors++];
    *added = *door;
    added->host = door->host ? text_make("%s", door->host) : NULL;
}

// "FILE:LINE: WHAT", which is said with a word between both, too.
__attribute__((format(printf, 4, 0))) static char *make_line(struct import *import,
                                                             const struct place *place,
                                                             const char *word, const char *format,
                                                             va_list arguments)
{
    cleanup_free char *what = text_make_v(format, arguments), *plain = import_plain(what), *where;
    char text[1024];

    where = import_plain(problems_place(place->file, place->line, text, sizeof(text)));
    if (word)
        (void)fprintf(import->said, "%s: %s%s\n", where, word, plain);
    return text_make("%s: %s", where, plain);
}

static const char *count_loss(struct import *import, const struct entry *entry)
{
    if (entry && entry->is_off)
        return NULL;
    import->n_losses++;
    return "warning: ";
}

void import_lose(struct import *import, struct entry *entry, const struct place *place,
                 const char *format, ...)
{
    cleanup_free char *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    line = make_line(import, place, count_loss(import, entry), format, arguments);
    va_end(arguments);
    if (entry)
        text_add(&entry->lines, "    # NOT IMPORTED: %s\n", line);
    else
        text_add(&add_item(import)->text, "# NOT IMPORTED: %s\n", line);
}

void import_block(struct import *import, struct entry *entry, const struct place *place,
                  const char *format, ...)
{
    cleanup_free char *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    line = make_line(import, place, count_loss(import, entry), format, arguments);
    va_end(arguments);
    if (entry->why_not) {
        text_add(&entry->lines, "    # NOT IMPORTED: %s\n", line);
        return;
    }
    entry->why_not = line;
    line = NULL;
}

void import_drop(struct import *import, const struct place *place, const char *source, bool is_off,
                 const char *format, ...)
{
    const struct entry off = {.is_off = is_off};
    struct words lines = {0};
    cleanup_free char *line = NULL;
    struct item *item;
    va_list arguments;

    va_start(arguments, format);
    line = make_line(import, place, count_loss(import, &off), format, arguments);
    va_end(arguments);
    words_split(&lines, source, strlen(source), "\r\n");
    item = add_item(import);
    text_add(&item->text, "\n%s# NOT IMPORTED: %s\n", is_off ? "# It was off there.\n" : "", line);
    for (size_t i = 0; i < lines.n; i++) {
        char shown[512];

        for (char *tab = lines.items[i]; (tab = strchr(tab, '\t')) != NULL;)
            *tab = ' ';
        (void)escape_line(lines.items[i], strlen(lines.items[i]), shown, sizeof(shown));
        text_add(&item->text, "#     %s\n", shown);
    }
    words_done(&lines);
}

void import_note(struct import *import, const struct place *place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    free(make_line(import, place, "note: ", format, arguments));
    va_end(arguments);
}

int import_error(struct import *import, const struct place *place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    free(make_line(import, place, "", format, arguments));
    va_end(arguments);
    return EX_CONFIG;
}

void import_comment(struct import *import, const char *text)
{
    cleanup_free char *plain = import_plain(text);

    text_add(&add_item(import)->text, "# %s\n", plain);
}

static void free_entry(struct entry *entry)
{
    for (size_t i = 0; i < entry->n_doors; i++)
        free(entry->doors[i].host);
    free(entry->doors);
    words_done(&entry->arguments);
    text_done(&entry->lines);
    free(entry->name);
    free(entry->comment);
    free(entry->why_not);
    free(entry->user);
    free(entry->group);
    free(entry->program);
    free(entry);
}

void import_done(struct import *import)
{
    for (size_t i = 0; i < import->n_items; i++) {
        if (import->items[i].entry)
            free_entry(import->items[i].entry);
        text_done(&import->items[i].text);
    }
    free(import->items);
    words_done(&import->files);
}
