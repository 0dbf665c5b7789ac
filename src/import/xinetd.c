// SPDX-License-Identifier: MIT
// From sections to services. What a service does not have itself it has from the defaults, wherever
// these stand; what they lose is said once, at their place.

#include "import/xinetd.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "import/xinetd_private.h"

void xservice_lose(struct xservice *service, const struct xattribute *attribute, const char *format,
                   ...)
{
    cleanup_free char *what = NULL;
    va_list arguments;

    if (service->is_inherited)
        return;
    va_start(arguments, format);
    what = text_make_v(format, arguments);
    va_end(arguments);
    import_lose(service->import, service->is_defaults ? NULL : service->entry, &attribute->place,
                "%s: %s", attribute->name, what);
}

void xservice_block(struct xservice *service, const struct xattribute *attribute,
                    const char *format, ...)
{
    cleanup_free char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = text_make_v(format, arguments);
    va_end(arguments);
    if (service->is_defaults)
        import_lose(service->import, NULL, &attribute->place, "%s: %s", attribute->name, what);
    else
        import_block(service->import, service->entry,
                     service->is_inherited ? &service->section->place : &attribute->place,
                     "%s%s: %s", attribute->name, service->is_inherited ? " of defaults" : "",
                     what);
}

const char *xsection_value(const struct xsection *section, const char *name)
{
    const struct xattribute *attribute = section ? xsection_find(section, name) : NULL;

    return attribute && attribute->values.n == 1 ? attribute->values.items[0] : NULL;
}

bool xsection_has(const struct xsection *section, const char *name, const char *word)
{
    for (size_t i = 0; section && i < section->n; i++) {
        const struct xattribute *attribute = &section->attributes[i];

        if (strcmp(attribute->name, name) == 0 && attribute->op != XOP_REMOVE &&
            words_find(&attribute->values, word) < attribute->values.n)
            return true;
    }
    return false;
}

static void add_word(struct xlist *list, const char *text, const struct xattribute *from,
                     bool is_inherited)
{
    list->items = base_checked(reallocarray(list->items, list->n + 1, sizeof(list->items[0])));
    list->items[list->n++] = (struct xword){text, from, is_inherited};
}

static void remove_word(struct xlist *list, const char *text, const struct xattribute *by)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].text, text) != 0)
            list->items[n++] = list->items[i];
    if (n == list->n)
        list->unmatched = by;
    list->n = n;
}

struct xlist xlist_make(const struct xservice *service, const char *name)
{
    const struct xsection *const from[] = {service->defaults, service->section};
    struct xlist list = {0};

    for (size_t s = service->is_defaults ? 1 : 0; s < ELEMENTS(from); s++)
        for (size_t i = 0; from[s] && i < from[s]->n; i++) {
            const struct xattribute *attribute = &from[s]->attributes[i];

            if (strcmp(attribute->name, name) != 0)
                continue;
            if (attribute->op == XOP_SET && s == 1 && !service->is_defaults)
                list.n = 0; // in the defaults it adds
            for (size_t v = 0; v < attribute->values.n; v++)
                if (attribute->op == XOP_REMOVE)
                    remove_word(&list, attribute->values.items[v], attribute);
                else
                    add_word(&list, attribute->values.items[v], attribute, s == 0);
            list.last = attribute;
            list.is_changed |= s == 1;
        }
    return list;
}

// What switches services off has their ids.
static bool is_switched_off(const struct xservice *service, const char *id)
{
    const struct xsection *defaults = service->defaults;
    bool has_enabled = false;

    for (size_t i = 0; defaults && i < defaults->n; i++)
        has_enabled |= strcmp(defaults->attributes[i].name, "enabled") == 0;
    return service->section->is_off || xsection_has(defaults, "disabled", id) ||
           (has_enabled && !xsection_has(defaults, "enabled", id));
}

static void import_service(struct import *import, const struct xsection *section,
                           const struct xsection *defaults)
{
    struct xservice service = {.import = import, .section = section, .defaults = defaults};
    struct entry loose = {0};
    const char *id = xsection_value(section, "id");
    bool is_off = is_switched_off(&service, id ? id : section->name);

    loose.is_off = is_off;
    service.entry = &loose;
    if (!xservice_begin(&service)) {
        text_done(&loose.lines);
        return;
    }
    xservice_settings(&service);
    xservice_access(&service);
}

static void report_defaults(struct import *import, const struct xsection *defaults)
{
    struct entry loose = {0};
    struct xservice service = {
        .import = import, .section = defaults, .entry = &loose, .is_defaults = true};

    xservice_settings(&service);
    xservice_access(&service);
    text_done(&loose.lines);
}

void import_xinetd(struct import *import, const char *file, struct file_text *text)
{
    struct xsections sections = {0};
    const struct xsection *defaults = NULL;

    xinetd_read(import, file, text, &sections);
    for (size_t i = 0; i < sections.n && !defaults; i++)
        if (sections.items[i].kind == XSECTION_DEFAULTS)
            defaults = &sections.items[i];
    for (size_t i = 0; i < sections.n; i++) {
        const struct xsection *section = &sections.items[i];

        if (section->kind == XSECTION_SERVICE)
            import_service(import, section, defaults);
        else if (section == defaults)
            report_defaults(import, section);
        else
            import_drop(import, &section->place, section->source, section->is_off, "%s",
                        section->wrong ? section->wrong
                                       : "there are defaults already; put its lines there");
    }
    xsections_done(&sections);
}
