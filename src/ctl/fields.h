// SPDX-License-Identifier: MIT
// Dictionaries of an answer, a{sv}, read into structs. What the daemon does not tell stays as it
// was, what it tells beyond is passed over, so that tcpdctl and tcpd may be of different versions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

// What an array of the message has, one behind the other.
struct field_list {
    size_t size; // of one
    const void *initial;
    const struct field *fields;
    size_t n_fields;
    char *items;
    size_t n;
};

struct field {
    const char *name;
    size_t offset;
    bool text;
};

#define TEXT(type, name)                         \
    {                                            \
#name, offsetof(struct type, name), true \
    }
#define NUMBER(type, name)                        \
    {                                             \
#name, offsetof(struct type, name), false \
    }

// One dictionary. 1, 0 at the end of an array, -errno. Texts belong to the message.
int fields_read(sd_bus_message *message, const struct field *fields, size_t n, void *into);

// An array of them; of an older tcpd, which has none, it is empty. The items are the caller's.
int fields_read_list(sd_bus_message *message, struct field_list *list);
