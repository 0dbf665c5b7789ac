// SPDX-License-Identifier: MIT
#include "ctl/fields.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Reads the variant that comes next into the field; one of another type is passed over.
static int read_field(sd_bus_message *message, const struct field *field, void *into)
{
    void *place = (char *)into + field->offset;
    const char *contents;
    uint32_t narrow;
    char type;
    int r = sd_bus_message_peek_type(message, &type, &contents);

    if (r < 0)
        return r;
    if (field->text && strcmp(contents, "s") == 0)
        return sd_bus_message_read(message, "v", "s", place);
    if (!field->text && strcmp(contents, "t") == 0)
        return sd_bus_message_read(message, "v", "t", place);
    if (field->text || strcmp(contents, "u") != 0)
        return sd_bus_message_skip(message, "v");
    r = sd_bus_message_read(message, "v", "u", &narrow);
    if (r >= 0)
        *(uint64_t *)place = narrow;
    return r;
}

int fields_read(sd_bus_message *message, const struct field *fields, size_t n, void *into)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    if (r <= 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const char *name;
        size_t i = 0;

        r = sd_bus_message_read(message, "s", &name);
        while (r >= 0 && i < n && strcmp(fields[i].name, name) != 0)
            i++;
        if (r >= 0)
            r = i < n ? read_field(message, &fields[i], into) : sd_bus_message_skip(message, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
        if (r < 0)
            return r;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

int fields_read_list(sd_bus_message *message, struct field_list *list)
{
    int r;

    if (sd_bus_message_at_end(message, true) > 0)
        return 0;
    r = sd_bus_message_enter_container(message, 'a', "a{sv}");
    while (r > 0) {
        char *more = reallocarray(list->items, list->n + 1, list->size);

        if (!more)
            return -ENOMEM;
        list->items = more;
        memcpy(more + list->n * list->size, list->initial, list->size);
        r = fields_read(message, list->fields, list->n_fields, more + list->n * list->size);
        list->n += r > 0;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}
