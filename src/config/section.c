// SPDX-License-Identifier: MIT
// Sections while they are read. A value is checked as soon as it comes; one of a variant that is
// not chosen yet has its verdict kept, as the variant may never be.

#include "config/section.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static struct section_part make_part(const struct form *form, const char *variant, void *values)
{
    struct section_part part = {
        .form = form,
        .variant = variant,
        .values = values,
        .lines = base_checked(calloc(form->n + 1, sizeof(part.lines[0]))),
        .wrong = base_checked(calloc(form->n + 1, sizeof(part.wrong[0]))),
    };

    if (!values) {
        part.values = base_checked(calloc(1, form->size + 1));
        part.wrong_default = form_init(form, part.values);
    }
    return part;
}

struct section *section_new(const struct section_kind *kind, void *values,
                            struct problems *problems)
{
    struct section *section = base_checked(calloc(1, sizeof(*section)));

    *section = (struct section){.kind = kind, .problems = problems};
    section->parts = base_checked(calloc(1 + kind->n_variants, sizeof(section->parts[0])));
    section->parts[section->n_parts++] = make_part(kind->form, NULL, values);
    for (size_t i = 0; i < kind->n_variants; i++)
        section->parts[section->n_parts++] = make_part(kind->variants[i].form,
                                                       kind->variants[i].name, NULL);
    section->borrowed = values;
    return section;
}

static size_t index_of(const struct section_part *part, const struct setting *setting)
{
    return (size_t)(setting - part->form->settings);
}

static bool counts(const struct section *section, const struct section_part *part)
{
    return !part->variant || part == section->chosen;
}

// In a file "NAME = what", on a command line "NAME: what".
static void refuse(const struct section *section, const struct place *place, const char *name,
                   const char *what)
{
    problems_add(section->problems, place->file, place->line, "%s%s%s", name,
                 place->line > 0 ? " = " : ": ", what);
}

void section_refuse_again(const struct section *section, const char *name,
                          const struct place *place)
{
    int first = section_line(section, name);

    if (first > 0)
        problems_add(section->problems, place->file, place->line,
                     "%s is given twice; the first is at line %d", name, first);
    else
        problems_add(section->problems, place->file, place->line, "%s is given twice", name);
}

const char *section_variants(const struct section_kind *kind, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < kind->n_variants && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 kind->variants[i].name);
    return text;
}

static char *choose(struct section *section, const char *name, const char *text)
{
    char names[256], *wrong = NULL;

    for (size_t i = 1; i < section->n_parts; i++)
        if (strcmp(section->parts[i].variant, text) == 0) {
            section->chosen = &section->parts[i];
            return NULL;
        }
    if (asprintf(&wrong, "\"%s\" is not a %s; one of: %s", text, name,
                 section_variants(section->kind, names, sizeof(names))) < 0)
        base_out_of_memory();
    return wrong;
}

// Sets it in one part; says what is wrong where that part counts, keeps it where it may yet.
static void set_in(struct section *section, struct section_part *part,
                   const struct setting *setting, const char *text, const struct place *place)
{
    size_t i = index_of(part, setting);
    char *wrong;

    if (part->lines[i] == 0)
        part->lines[i] = place->line;
    wrong = setting->kind == SETTING_VARIANT ? choose(section, setting->name, text)
                                             : setting_set(setting, part->values, text, place);
    if (wrong && counts(section, part)) {
        refuse(section, place, setting->name, wrong);
    } else if (wrong && !section->chosen && !part->wrong[i]) {
        part->wrong[i] = wrong;
        return;
    } else if (!wrong && section->kind->set) {
        section->kind->set(setting, place, section->kind->data);
    }
    free(wrong);
}

const struct setting *section_find(const struct section *section, const char *name)
{
    const struct setting *setting = NULL;

    for (size_t i = 0; !setting && i < section->n_parts; i++)
        setting = form_find(section->parts[i].form, name);
    return setting;
}

bool section_set(struct section *section, const char *name, const char *text,
                 const struct place *place)
{
    const struct setting *known = section_find(section, name);

    if (known && !setting_is_list(known) && section_line(section, name) != 0) {
        section_refuse_again(section, name, place);
        return true;
    }
    for (size_t i = 0; known && i < section->n_parts; i++) {
        const struct setting *setting = form_find(section->parts[i].form, name);

        if (setting)
            set_in(section, &section->parts[i], setting, text, place);
    }
    return known != NULL;
}

int section_line(const struct section *section, const char *name)
{
    int line = 0;

    for (size_t i = 0; line == 0 && i < section->n_parts; i++) {
        const struct setting *setting = form_find(section->parts[i].form, name);

        if (setting)
            line = section->parts[i].lines[index_of(&section->parts[i], setting)];
    }
    return line == SECTION_UNUSED ? 0 : line;
}

void *section_take(struct section_part *part)
{
    void *values = part->values;

    part->values = NULL;
    return values;
}

int *section_take_lines(struct section_part *part)
{
    int *lines = part->lines;

    part->lines = NULL;
    return lines;
}

void section_mark_unused(const struct section *section, const char *name)
{
    for (size_t i = 0; i < section->n_parts; i++) {
        struct section_part *part = &section->parts[i];
        const struct setting *setting = form_find(part->form, name);

        if (setting)
            part->lines[index_of(part, setting)] = SECTION_UNUSED;
    }
}

// What chooses among the variants: "handler".
static const char *variants_name(const struct section_kind *kind)
{
    for (size_t i = 0; i < kind->form->n; i++)
        if (kind->form->settings[i].kind == SETTING_VARIANT)
            return kind->form->settings[i].name;
    return "variant";
}

// Settings that belong to another variant alone.
static void refuse_others(const struct section *section, const struct section_part *part)
{
    const struct section_part *chosen = section->chosen;
    const char *what = variants_name(section->kind);

    for (size_t i = 0; i < part->form->n; i++) {
        const char *name = part->form->settings[i].name;

        if (part->lines[i] != 0 && !form_find(chosen->form, name) &&
            section_find(section, name) == &part->form->settings[i])
            problems_add(section->problems, section->file, part->lines[i],
                         "%s belongs to %s \"%s\", and %s \"%s\" has %s \"%s\"", name, what,
                         part->variant, section->kind->name, section->title, what, chosen->variant);
    }
}

// What was kept of a part; without a choice each name once.
static void refuse_kept(const struct section *section, const struct section_part *part)
{
    for (size_t i = 0; i < part->form->n; i++) {
        const struct setting *setting = &part->form->settings[i];
        struct place place = {.file = section->file, .line = part->lines[i]};

        if (part->wrong[i] && (section->chosen || section_find(section, setting->name) == setting))
            refuse(section, &place, setting->name, part->wrong[i]);
    }
}

static void settle(const struct section *section)
{
    for (size_t i = 0; i < section->n_parts; i++) {
        const struct section_part *part = &section->parts[i];

        if (counts(section, part) && part->wrong_default)
            problems_add(section->problems, section->file, section->line, "%s",
                         part->wrong_default);
        if (part == section->chosen || !section->chosen)
            refuse_kept(section, part);
        else if (part->variant)
            refuse_others(section, part);
    }
}

void section_end(struct section *section, const char *title, int first_line,
                 const struct place *place)
{
    section->title = base_checked(strdup(title));
    section->file = base_checked(strdup(place->file));
    section->first_line = first_line;
    section->line = place->line;
    if (!section->is_again)
        settle(section);
    if (section->kind->end)
        section->kind->end(section, section->kind->data);
    section_free(section);
}

static void free_part(struct section_part *part, bool is_borrowed)
{
    for (size_t i = 0; i < part->form->n; i++)
        free(part->wrong[i]);
    free(part->wrong);
    free(part->wrong_default);
    free(part->lines);
    if (!part->values || is_borrowed)
        return;
    form_done(part->form, part->values);
    free(part->values);
}

void section_free(struct section *section)
{
    if (!section)
        return;
    for (size_t i = 0; i < section->n_parts; i++)
        free_part(&section->parts[i], section->parts[i].values == section->borrowed);
    free(section->parts);
    free(section->title);
    free(section->file);
    free(section);
}

const char *section_suggest(const struct section_kind *kind, const char *name, unsigned *best)
{
    const char *closest = form_suggest(kind->form, name, best);

    for (size_t i = 0; i < kind->n_variants; i++) {
        const char *closer = form_suggest(kind->variants[i].form, name, best);

        closest = closer ? closer : closest;
    }
    return closest;
}
