// SPDX-License-Identifier: MIT
// Two texts of a unit, the one that systemd runs and the one that the configuration asks for. What
// stands outside of [Socket] (where the configuration is, in which order units start) changes no
// socket.

#include "ctl/sockets_units.h"

#include <string.h>

#include "base/base.h"

struct socket_unit *units_get(struct socket_units *units, const char *name)
{
    for (size_t i = 0; i < units->n; i++)
        if (strcmp(units->items[i].name, name) == 0)
            return &units->items[i];
    units->items = base_checked(reallocarray(units->items, units->n + 1, sizeof(units->items[0])));
    units->items[units->n] = (struct socket_unit){.name = base_checked(strdup(name))};
    return &units->items[units->n++];
}

static int compare(const void *a, const void *b)
{
    const struct socket_unit *one = a, *two = b;

    return strcmp(one->name, two->name);
}

void units_sort(struct socket_units *units)
{
    if (units->n > 0)
        qsort(units->items, units->n, sizeof(units->items[0]), compare);
}

void units_done(struct socket_units *units)
{
    for (size_t i = 0; i < units->n; i++) {
        free(units->items[i].name);
        free(units->items[i].wanted);
        free(units->items[i].loaded);
    }
    free(units->items);
    *units = (struct socket_units){0};
}

char *units_section(const char *text)
{
    static const char head[] = "\n[Socket]\n";
    const char *begin = strstr(text, head), *end;

    if (!begin)
        return base_checked(strdup(""));
    begin += strlen(head);
    end = strstr(begin, "\n[");
    return base_checked(strndup(begin, end ? (size_t)(end + 1 - begin) : strlen(begin)));
}

static const struct {
    const char *name, *inet, *path; // the setting, and what stands before its addresses
} kinds[] = {
    {"ListenStream=", "", "unix:"},
    {"ListenDatagram=", "udp:", "unix-dgram:"},
    {"ListenSequentialPacket=", "", "unix-seqpacket:"},
};

// A unit has % twice.
static void unescape(const char *value, size_t length, char *text, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < length && n + 1 < size; i++) {
        text[n++] = value[i];
        if (value[i] == '%' && i + 1 < length && value[i + 1] == '%')
            i++;
    }
    text[n] = '\0';
}

// "7" is "*:7", and "[fe80::1]:7%eth0" is "[fe80::1%eth0]:7".
static void spell(const char *prefix, const char *value, char *text, size_t size)
{
    const char *bracket = strstr(value, "]:"), *scope = bracket ? strchr(bracket, '%') : NULL;

    if (strspn(value, "0123456789") == strlen(value))
        (void)snprintf(text, size, "%s*:%s", prefix, value);
    else if (scope)
        (void)snprintf(text, size, "%s%.*s%s%.*s", prefix, (int)(bracket - value), value, scope,
                       (int)(scope - bracket), bracket);
    else
        (void)snprintf(text, size, "%s%s", prefix, value);
}

// Whether a line is an address.
static bool read_line(const char *line, size_t length, struct unit_address *ret)
{
    struct address_spec spec;
    char value[sizeof(spec.path) + 1];
    size_t kind = 0, n;

    while (kind < ELEMENTS(kinds) && strncmp(line, kinds[kind].name, strlen(kinds[kind].name)) != 0)
        kind++;
    if (kind == ELEMENTS(kinds))
        return false;
    n = strlen(kinds[kind].name);
    unescape(line + n, length - n, value, sizeof(value));
    *ret = (struct unit_address){0};
    spell(value[0] == '/' ? kinds[kind].path : kinds[kind].inet, value, ret->text,
          sizeof(ret->text));
    if (address_parse(ret->text, &spec) != NULL ||
        address_resolve(&spec, AF_UNSPEC, true, &ret->address, 1) != 1)
        ret->address = (struct address){0};
    return true;
}

struct unit_address *units_addresses(const char *section, size_t *ret_n)
{
    struct unit_address *list = NULL, address;
    size_t length;

    *ret_n = 0;
    for (const char *line = section; line && *line; line += length + (line[length] == '\n')) {
        length = strcspn(line, "\n");
        if (!read_line(line, length, &address))
            continue;
        list = base_checked(reallocarray(list, *ret_n + 1, sizeof(list[0])));
        list[(*ret_n)++] = address;
    }
    return list;
}

enum socket_change units_decide(const struct socket_unit *unit, bool is_held)
{
    if (unit->is_foreign)
        return unit->wanted ? SOCKETS_UNCHANGED : SOCKETS_IGNORED;
    if (!unit->wanted)
        return unit->is_active ? SOCKETS_CLOSED : SOCKETS_IGNORED;
    if (!unit->is_active || !unit->loaded)
        return SOCKETS_OPENED;
    if (strcmp(unit->wanted, unit->loaded) != 0)
        return SOCKETS_CHANGED;
    return is_held ? SOCKETS_UNCHANGED : SOCKETS_OPENED;
}

static bool contains(const struct unit_address *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].text, text) == 0)
            return true;
    return false;
}

// Those of the list that are in the other one, or are not.
static void print_some(const struct unit_address *list, size_t n, const struct unit_address *other,
                       size_t n_other, bool in_both, const char *verb, const char *name,
                       FILE *stream)
{
    for (size_t i = 0; i < n; i++)
        if (contains(other, n_other, list[i].text) == in_both)
            (void)fprintf(stream, "%s %s (%s)\n", verb, list[i].text, name);
}

void units_print(const struct socket_unit *unit, bool is_plan, FILE *stream)
{
    bool was_open = unit->change != SOCKETS_OPENED;
    size_t n_old, n_new;
    cleanup_free struct unit_address *old = units_addresses(was_open ? unit->loaded : NULL, &n_old);
    cleanup_free struct unit_address *new = units_addresses(unit->wanted, &n_new);

    if (unit->change == SOCKETS_UNCHANGED || unit->change == SOCKETS_IGNORED)
        return;
    if (n_old + n_new == 0) // systemd knows no more what it had
        (void)fprintf(stream, "%s %s\n", is_plan ? "would close" : "closed", unit->name);
    print_some(old, n_old, new, n_new, false, is_plan ? "would close" : "closed", unit->name,
               stream);
    print_some(new, n_new, old, n_old, false, is_plan ? "would open" : "opened", unit->name,
               stream);
    print_some(new, n_new, old, n_old, true, is_plan ? "would reopen" : "reopened", unit->name,
               stream);
}
