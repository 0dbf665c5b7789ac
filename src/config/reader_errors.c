// SPDX-License-Identifier: MIT
// Our words for what libconfuse finds wrong.

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/spelling.h"
#include "config/reader_private.h"

#define UNKNOWN_MAX 1000 // names in a file; not all are shown, see PROBLEMS_MAX

const struct section_kind *reader_kind_of(const cfg_t *cfg)
{
    const struct reader_language *language = reader_reading->reader->language;

    for (size_t i = 0; i < language->n_sections; i++)
        if (strcmp(cfg->name, language->sections[i]->name) == 0)
            return language->sections[i];
    return language->file;
}

int reader_last_line(const cfg_t *cfg)
{
    return cfg->line < reader_reading->n_lines ? cfg->line : reader_reading->n_lines;
}

bool reader_knows(const struct section_kind *kind, const char *name)
{
    bool known = form_find(kind->form, name) != NULL;

    for (size_t i = 0; !known && i < kind->n_variants; i++)
        known = form_find(kind->variants[i].form, name) != NULL;
    return known;
}

const struct section_kind *reader_find_home(const struct reader_language *language,
                                            const char *name)
{
    for (size_t i = 0; i < language->n_sections; i++)
        if (reader_knows(language->sections[i], name))
            return language->sections[i];
    return NULL;
}

// What it names already; the library does not say which of them is meant.
static const char *kind_of_title(const char *text)
{
    const struct reader_language *language = reader_reading->reader->language;
    const char *name = language->n_sections == 1 ? language->sections[0]->name : NULL;

    if (name)
        return name;
    for (const struct title *title = reader_reading->reader->titles; title; title = title->next) {
        if (strcmp(title->text, text) != 0)
            continue;
        if (name)
            return "section";
        name = title->kind->name;
    }
    return name ? name : "section";
}

const char *reader_hint(const struct reader_language *language, const struct section_kind *kind,
                        const char *name, char *text, size_t size)
{
    unsigned best = SPELLING_FAR;
    const char *closest = section_suggest(kind, name, &best);

    if (!closest)
        closest = section_suggest(language->file, name, &best);
    for (size_t i = 0; !closest && i < language->n_sections; i++)
        closest = section_suggest(language->sections[i], name, &best);
    if (closest)
        (void)snprintf(text, size, "did you mean %s?", closest);
    else
        (void)snprintf(text, size, "tcpd.conf(5) lists all");
    return text;
}

// Our words for an option the library does not know.
static void refuse_name(const cfg_t *cfg, const char *name)
{
    const struct reader_language *language = reader_reading->reader->language;
    struct problems *problems = reader_reading->reader->problems;
    const struct section_kind *kind = reader_kind_of(cfg), *home = reader_find_home(language, name);
    char hint[96];

    if (strcmp(name, SENTINEL) == 0)
        problems_add(problems, cfg->filename, reader_last_line(cfg),
                     "the closing brace } of %s \"%s\" is missing", kind->name, cfg->title);
    else if (kind->name && reader_knows(language->file, name))
        problems_add(problems, cfg->filename, cfg->line, "%s belongs before the %ss, not in one",
                     name, kind->name);
    else if (home)
        problems_add(problems, cfg->filename, cfg->line, "%s belongs in a %s, not %s%s", name,
                     home->name, kind->name ? "in a " : "outside", kind->name ? kind->name : "");
    else
        problems_add(problems, cfg->filename, cfg->line, "there is no option %s; %s", name,
                     reader_hint(language, kind, name, hint, sizeof(hint)));
}

// The library adds each name to a table that it searches: of a text that is no configuration it
// would not come to an end. Without its leave to add one it takes the next for an error of syntax.
static void limit_unknown(cfg_t *cfg)
{
    if (++reader_reading->n_unknown < UNKNOWN_MAX)
        return;
    reader_reading->given_up = true;
    cfg->flags &= ~CFGF_KEYSTRVAL;
}

// Our words for what the library finds wrong; its own where they are clear.
void reader_on_error(cfg_t *cfg, const char *format, va_list arguments)
{
    static const char unknown[] = "no such option '", twice[] = "found duplicate title '",
                      section[] = "missing equal sign after option '";
    struct problems *problems = reader_reading->reader->problems;
    cleanup_free char *text = NULL;
    size_t length;

    if (vasprintf(&text, format, arguments) < 0)
        base_out_of_memory();
    reader_reading->error_line = reader_last_line(cfg);
    length = strlen(text);
    if (strncmp(text, unknown, strlen(unknown)) == 0) {
        text[length - 1] = '\0';
        (void)snprintf(reader_reading->unknown_name, sizeof(reader_reading->unknown_name), "%s'",
                       text + strlen(unknown));
        refuse_name(cfg, text + strlen(unknown));
        limit_unknown(cfg);
    } else if (strncmp(text, twice, strlen(twice)) == 0) {
        text[length - 1] = '\0';
        reader_reading->error_line++; // it begins there, and would be found again
        problems_add(problems, cfg->filename, cfg->line, "%s \"%s\" is configured twice",
                     kind_of_title(text + strlen(twice)), text + strlen(twice));
    } else if (strncmp(text, section, strlen(section)) == 0 &&
               strcmp(reader_reading->unknown_name, text + strlen(section)) == 0) {
        return; // an unknown word, which was refused as such
    } else if (strcmp(text, "premature end of file") == 0 || strstr(text, SENTINEL)) {
        problems_add(problems, cfg->filename, reader_last_line(cfg),
                     "unexpected end of file; a quote or a brace is not closed");
    } else {
        problems_add(problems, cfg->filename, reader_last_line(cfg), "%s", text);
    }
}
