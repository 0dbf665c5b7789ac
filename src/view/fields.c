// SPDX-License-Identifier: MIT
#include "view/fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_text(sd_bus_message *message, void *place, size_t size)
{
    (void)size;
    return sd_bus_message_read(message, "v", "s", place);
}

static int read_copy(sd_bus_message *message, void *place, size_t size)
{
    const char *text;
    int r = sd_bus_message_read(message, "v", "s", &text);

    if (r >= 0)
        (void)snprintf(place, size, "%s", text);
    return r;
}

static int read_number(sd_bus_message *message, void *place, size_t size)
{
    const char *contents;
    uint32_t narrow;
    char type;
    int r = sd_bus_message_peek_type(message, &type, &contents);

    (void)size;
    if (r < 0)
        return r;
    if (strcmp(contents, "t") == 0)
        return sd_bus_message_read(message, "v", "t", place);
    if (strcmp(contents, "u") != 0)
        return sd_bus_message_skip(message, "v");
    r = sd_bus_message_read(message, "v", "u", &narrow);
    if (r >= 0)
        *(uint64_t *)place = narrow;
    return r;
}

static int read_boolean(sd_bus_message *message, void *place, size_t size)
{
    int value;
    int r = sd_bus_message_read(message, "v", "b", &value);

    (void)size;
    if (r >= 0)
        *(bool *)place = value != 0;
    return r;
}

const struct field_type field_text = {"s", read_text};
const struct field_type field_copy = {"s", read_copy};
const struct field_type field_number = {NULL, read_number};
const struct field_type field_boolean = {"b", read_boolean};

// Reads the variant that comes next into the field.
static int read_field(sd_bus_message *message, const struct field *field, void *into)
{
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(message, &type, &contents);

    if (r < 0)
        return r;
    if (type != 'v' || (field->type->contents && strcmp(contents, field->type->contents) != 0))
        return sd_bus_message_skip(message, "v");
    return field->type->read(message, (char *)into + field->offset, field->size);
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
