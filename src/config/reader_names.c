// SPDX-License-Identifier: MIT
// Names of the language: which section has them, and which was meant.

#include <stdio.h>
#include <string.h>

#include "base/spelling.h"
#include "config/reader_private.h"

const struct section_kind *reader_kind_of(const cfg_t *cfg)
{
    const struct reader_language *language = reader_reading->reader->language;

    for (size_t i = 0; i < language->n_sections; i++)
        if (strcmp(cfg->name, language->sections[i]->name) == 0)
            return language->sections[i];
    return language->file;
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
