// SPDX-License-Identifier: MIT
// As xinetd reads it: lines that are empty or begin with # are passed over; braces have lines of
// their own; a mistake in the writing costs the section. Files that include others wait on a stack.

#include "import/xinetd_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define FILES_MAX 1000
#define BLANK     " \t\r\v\f"

struct source {
    struct file_text text;
    char *path;
    const char *at; // NULL: not opened yet
    struct place place;
    struct place from; // what has it included
};

struct reading {
    struct import *import;
    struct xsections *sections;
    struct source *sources; // the last one is read
    size_t n;
    unsigned n_files;
    size_t n_bytes;
};

static struct xsection *add_section(struct reading *reading, const struct place *place)
{
    struct xsections *sections = reading->sections;

    sections->items = base_checked(
        reallocarray(sections->items, sections->n + 1, sizeof(sections->items[0])));
    sections->items[sections->n] = (struct xsection){.place = *place};
    return &sections->items[sections->n++];
}

static void add_broken(struct reading *reading, const struct place *place, const char *source,
                       size_t n, const char *wrong)
{
    struct xsection *section = add_section(reading, place);

    section->kind = XSECTION_BROKEN;
    section->source = text_make("%.*s", (int)n, source);
    section->wrong = text_make("%s", wrong);
}

static void push(struct reading *reading, const char *path, const struct place *from)
{
    reading->sources = base_checked(
        reallocarray(reading->sources, reading->n + 1, sizeof(reading->sources[0])));
    reading->sources[reading->n++] = (struct source){
        .path = text_make("%s", path),
        .place = {.file = import_file(reading->import, path)},
        .from = *from,
    };
}

static void pop(struct reading *reading)
{
    struct source *source = &reading->sources[--reading->n];

    free(source->text.bytes);
    free(source->path);
}

static bool includes_itself(const struct reading *reading, const struct file_text *text)
{
    for (size_t i = 0; i + 1 < reading->n; i++) {
        const struct source *other = &reading->sources[i];

        if (other->at && text->inode != 0 && other->text.inode == text->inode &&
            other->text.device == text->device)
            return true;
    }
    return false;
}

// Reads the file that is on top. What is wrong with it is owned; NULL: nothing.
static char *open_source(struct reading *reading)
{
    struct source *source = &reading->sources[reading->n - 1];
    int r = reading->n_files++ < FILES_MAX ? file_read(source->path, IMPORT_FILE_MAX, &source->text)
                                           : -EMFILE;

    if (r == -EMFILE)
        return text_make("more than %d files are included", FILES_MAX);
    if (r < 0)
        return text_make("%s: %s", source->path, strerror(-r));
    reading->n_bytes += source->text.n;
    if (strlen(source->text.bytes) != source->text.n)
        return text_make("%s has a NUL byte, so it is not a text", source->path);
    if (reading->n_bytes > IMPORT_FILE_MAX)
        return text_make("more than %d bytes are included", IMPORT_FILE_MAX);
    if (includes_itself(reading, &source->text))
        return text_make("%s includes itself", source->path);
    source->at = source->text.bytes;
    return NULL;
}

// The next line that is neither empty nor a comment; NULL: there is none.
static const char *next_line(struct source *source, size_t *ret_length)
{
    while (*source->at != '\0') {
        const char *line = source->at, *word = line + strspn(line, BLANK);

        *ret_length = strcspn(line, "\n");
        source->at += *ret_length + (line[*ret_length] == '\n');
        source->place.line++;
        if (word < line + *ret_length && *word != '#')
            return line;
    }
    return NULL;
}

static bool is_only(const char *line, size_t length, char character)
{
    size_t before = strspn(line, BLANK);

    return line[before] == character && before + 1 + strspn(line + before + 1, BLANK) >= length;
}

// Passes over what is there to the end of a section.
static void skip(struct source *source)
{
    const char *line;
    size_t length;

    while ((line = next_line(source, &length)) && !is_only(line, length, '}'))
        continue;
}

// "name = value value". NULL, or what is wrong with it.
static const char *parse_attribute(const char *line, size_t length, const struct place *place,
                                   struct xattribute *ret)
{
    const char *end = line + length, *name = line + strspn(line, BLANK), *at;
    size_t n = strcspn(name, BLANK "=\n");

    *ret = (struct xattribute){.place = *place};
    if (length > IMPORT_LINE_MAX)
        return "it is longer than 65536 bytes";
    if (name[n] == '=')
        return "a space is missing before the =";
    at = name + n + strspn(name + n, BLANK);
    if (at < end && (*at == '+' || *at == '-'))
        ret->op = *at++ == '+' ? XOP_ADD : XOP_REMOVE;
    if (at >= end || *at != '=')
        return "it is not ATTRIBUTE = VALUE";
    ret->name = text_make("%.*s", (int)n, name);
    words_split(&ret->values, at + 1, (size_t)(end - at - 1), BLANK);
    return NULL;
}

static void break_section(struct xsection *section, struct source *source, const char *begin,
                          const char *why)
{
    section->wrong = text_make("line %d: %s; xinetd does not serve it either", source->place.line,
                               why);
    section->kind = XSECTION_BROKEN;
    skip(source);
    section->source = text_make("%.*s", (int)(source->at - begin), begin);
}

// What is between the braces.
static void read_section(struct xsection *section, struct source *source, const char *begin)
{
    const char *line, *wrong;
    size_t length;

    line = next_line(source, &length);
    if (!line || !is_only(line, length, '{')) {
        break_section(section, source, begin, "a { on a line of its own is missing");
        return;
    }
    while ((line = next_line(source, &length)) && !is_only(line, length, '}')) {
        struct xattribute attribute;

        wrong = parse_attribute(line, length, &source->place, &attribute);
        if (wrong) {
            break_section(section, source, begin, wrong);
            return;
        }
        if (strcmp(attribute.name, "disable") == 0 && attribute.values.n == 1 &&
            strcmp(attribute.values.items[0], "yes") == 0)
            section->is_off = true;
        section->attributes = base_checked(
            reallocarray(section->attributes, section->n + 1, sizeof(section->attributes[0])));
        section->attributes[section->n++] = attribute;
    }
    if (!line)
        break_section(section, source, begin, "a } on a line of its own is missing");
    else
        section->source = text_make("%.*s", (int)(source->at - begin), begin);
}

// Those of a folder, so that the first one is on top.
static void push_folder(struct reading *reading, const char *folder, const struct place *place,
                        const char *line, size_t length)
{
    char **names = NULL;
    size_t n = 0;
    int r = file_list(folder, "", &names);

    if (r < 0) {
        cleanup_free char *wrong = text_make("%s: %s", folder, strerror(-r));

        add_broken(reading, place, line, length, wrong);
        return;
    }
    while (names[n])
        n++;
    while (n-- > 0) {
        cleanup_free char *path = text_make("%s/%s", folder, names[n]);

        if (!strchr(names[n], '.') && names[n][strlen(names[n]) - 1] != '~')
            push(reading, path, place);
    }
    file_list_free(names);
}

// A service, the defaults, or an include.
static void read_next(struct reading *reading, const char *line, size_t length)
{
    struct source *source = &reading->sources[reading->n - 1];
    const struct place place = source->place;
    struct words words = {0};
    const char *keyword;

    words_split(&words, line, length > IMPORT_LINE_MAX ? IMPORT_LINE_MAX : length, BLANK);
    keyword = words.items[0];
    if (strcmp(keyword, "defaults") == 0 || (words.n > 1 && strcmp(keyword, "service") == 0)) {
        struct xsection *section = add_section(reading, &place);

        section->kind = *keyword == 's' ? XSECTION_SERVICE : XSECTION_DEFAULTS;
        section->name = *keyword == 's' ? text_make("%s", words.items[1]) : NULL;
        read_section(section, source, line);
    } else if (words.n > 1 && strcmp(keyword, "include") == 0) {
        push(reading, words.items[1], &place);
    } else if (words.n > 1 && strcmp(keyword, "includedir") == 0) {
        push_folder(reading, words.items[1], &place, line, length);
    } else {
        skip(source);
        add_broken(reading, &place, line, (size_t)(source->at - line),
                   "it begins neither with service NAME nor defaults, include or includedir; "
                   "xinetd passes over all of it, too");
    }
    words_done(&words);
}

void xinetd_read(struct import *import, const char *file, struct file_text *text,
                 struct xsections *ret)
{
    struct reading reading = {.import = import, .sections = ret, .n_bytes = text->n};

    push(&reading, file, &(struct place){0});
    reading.sources[0].text = *text;
    reading.sources[0].at = text->bytes;
    while (reading.n > 0) {
        struct source *source = &reading.sources[reading.n - 1];
        cleanup_free char *wrong = source->at ? NULL : open_source(&reading);
        const char *line;
        size_t length;

        if (wrong)
            add_broken(&reading, &source->from, "", 0, wrong);
        line = wrong ? NULL : next_line(source, &length);
        if (line)
            read_next(&reading, line, length);
        else
            pop(&reading);
    }
    free(reading.sources);
}

const struct xattribute *xsection_find(const struct xsection *section, const char *name)
{
    for (size_t i = 0; i < section->n; i++)
        if (section->attributes[i].op == XOP_SET && strcmp(section->attributes[i].name, name) == 0)
            return &section->attributes[i];
    return NULL;
}

void xsections_done(struct xsections *sections)
{
    for (size_t i = 0; i < sections->n; i++) {
        struct xsection *section = &sections->items[i];

        for (size_t a = 0; a < section->n; a++) {
            free(section->attributes[a].name);
            words_done(&section->attributes[a].values);
        }
        free(section->attributes);
        free(section->name);
        free(section->source);
        free(section->wrong);
    }
    free(sections->items);
    *sections = (struct xsections){0};
}
