// SPDX-License-Identifier: MIT
// Dictionaries of an answer, a{sv}, read into structs. What the daemon does not tell stays as it
// was, what it tells beyond is passed over, so that tcpdctl and tcpd may be of different versions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

// How a value is read: the variant that comes next, of these contents; one of others is passed
// over. 0 or more, or -errno.
struct field_type {
    const char *contents; // NULL: read() looks for itself
    int (*read)(sd_bus_message *message, void *place, size_t size);
};

extern const struct field_type field_text;    // const char *, the message's
extern const struct field_type field_copy;    // char[], cut where it is too long
extern const struct field_type field_number;  // uint64_t
extern const struct field_type field_boolean; // bool

struct field {
    const char *name;
    size_t offset, size;
    const struct field_type *type;
};

#define FIELD(type, name, how)                                                       \
    {                                                                                \
#name, offsetof(struct type, name), sizeof(((struct type *)NULL)->name), how \
    }
#define TEXT(type, name)    FIELD(type, name, &field_text)
#define COPY(type, name)    FIELD(type, name, &field_copy)
#define NUMBER(type, name)  FIELD(type, name, &field_number)
#define BOOLEAN(type, name) FIELD(type, name, &field_boolean)

// What an array of the message has, one behind the other.
struct field_list {
    size_t size; // of one
    const void *initial;
    const struct field *fields;
    size_t n_fields;
    char *items;
    size_t n;
};

// One dictionary. 1, 0 at the end of an array, -errno. Texts belong to the message.
int fields_read(sd_bus_message *message, const struct field *fields, size_t n, void *into);

// An array of them; of an older tcpd, which has none, it is empty. The items are the caller's.
int fields_read_list(sd_bus_message *message, struct field_list *list);
