// SPDX-License-Identifier: MIT
// D-Bus values as JSON. The message's strings are UTF-8, as sd-bus has checked; its nesting is
// limited by D-Bus, to 32 arrays, 32 structs and 64 variants.

#include "view/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void json_print_string(FILE *stream, const char *text)
{
    static const char names[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };

    (void)fputc('"', stream);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c < sizeof(names) && names[*c] != '\0')
            (void)fprintf(stream, "\\%c", names[*c]);
        else if (*c < 0x20 || *c == 0x7f)
            (void)fprintf(stream, "\\u%04x", *c);
        else
            (void)fputc(*c, stream);
    }
    (void)fputc('"', stream);
}

union value {
    const char *string;
    int boolean;
    uint8_t y;
    int16_t n;
    uint16_t q;
    int32_t i;
    uint32_t u;
    int64_t x;
    uint64_t t;
    double d;
};

static int print_basic(FILE *stream, sd_bus_message *message, char type)
{
    union value value = {0};
    int r = sd_bus_message_read_basic(message, type, &value);

    if (r < 0)
        return r;
    if (strchr("sog", type))
        json_print_string(stream, value.string);
    else if (type == 'b')
        (void)fputs(value.boolean ? "true" : "false", stream);
    else if (type == 'd' && isfinite(value.d))
        (void)fprintf(stream, "%.17g", value.d);
    else if (type == 'd')
        (void)fputs("null", stream);
    else if (strchr("yqut", type))
        (void)fprintf(stream, "%" PRIu64,
                      type == 'y'   ? value.y
                      : type == 'q' ? value.q
                      : type == 'u' ? value.u
                                    : value.t);
    else if (strchr("nix", type))
        (void)fprintf(stream, "%" PRId64, type == 'n' ? value.n : type == 'i' ? value.i : value.x);
    else
        return -EOPNOTSUPP; // a file descriptor
    return 1;
}

// A dictionary's entry, whose key is a string.
// NOLINTNEXTLINE(misc-no-recursion): D-Bus limits the depth
static int print_entry(FILE *stream, sd_bus_message *message, const char *contents)
{
    const char *key;
    int r = sd_bus_message_enter_container(message, 'e', contents);

    if (r >= 0)
        r = sd_bus_message_read_basic(message, contents[0], &key);
    if (r < 0)
        return r;
    json_print_string(stream, key);
    (void)fputc(':', stream);
    r = json_print_value(stream, message);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

// The elements of the container that was entered, with commas between.
// NOLINTNEXTLINE(misc-no-recursion): D-Bus limits the depth
static int print_elements(FILE *stream, sd_bus_message *message, bool object)
{
    for (unsigned n = 0;; n++) {
        const char *contents;
        char type;
        int r = sd_bus_message_peek_type(message, &type, &contents);

        if (r <= 0)
            return r;
        if (n > 0)
            (void)fputc(',', stream);
        r = object ? print_entry(stream, message, contents) : json_print_value(stream, message);
        if (r < 0)
            return r;
    }
}

// NOLINTNEXTLINE(misc-no-recursion): D-Bus limits the depth
static int print_container(FILE *stream, sd_bus_message *message, char type, const char *contents)
{
    bool object = type == 'a' && contents[0] == '{' && strchr("sog", contents[1]);
    int r;

    if (type == 'a' && contents[0] == '{' && !object)
        return -EOPNOTSUPP;
    r = sd_bus_message_enter_container(message, type, contents);
    if (r < 0)
        return r;
    if (type == 'v') {
        r = json_print_value(stream, message);
    } else {
        (void)fputc(object ? '{' : '[', stream);
        r = print_elements(stream, message, object);
        (void)fputc(object ? '}' : ']', stream);
    }
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

// NOLINTNEXTLINE(misc-no-recursion): D-Bus limits the depth
int json_print_value(FILE *stream, sd_bus_message *message)
{
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(message, &type, &contents);

    if (r <= 0)
        return r;
    if (strchr("arv", type))
        return print_container(stream, message, type, contents);
    return print_basic(stream, message, type);
}
