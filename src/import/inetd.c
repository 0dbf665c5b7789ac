// SPDX-License-Identifier: MIT
// A line is a service; one that begins with white space goes on with the one before. Fields are
// between spaces and tabs, and nothing is quoted.

#include "import/inetd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/escape.h"

#define OFF "#<off># " // update-inetd's mark

enum { NAME, TYPE, PROTOCOL, WAIT, USER, PROGRAM, ARGUMENTS };

struct reading {
    struct import *import;
    struct place place; // of the entry's first line
    struct words fields;
    char *source; // its lines
    bool is_off;
    char *hosts; // "HOST:" for what follows; NULL: all
};

static void drop(struct reading *reading, const char *why)
{
    import_drop(reading->import, &reading->place, reading->source, reading->is_off, "%s", why);
}

// What makes a service of its own kind, which tcpd does not have; NULL: it has.
static const char *refuse_kind(const struct reading *reading)
{
    char *const *fields = reading->fields.items;

    if (strncmp(fields[PROTOCOL], "rpc/", 4) == 0)
        return "RPC services are not served; run it under systemd, with rpcbind";
    if (strncmp(fields[NAME], "tcpmux", 6) == 0)
        return "tcpmux is not served; give the service a port of its own";
    if (strncmp(fields[TYPE], "stream", 6) != 0 && strncmp(fields[TYPE], "dgram", 5) != 0)
        return "of socket types there are stream and dgram; run it by itself, under systemd";
    if (strncmp(fields[WAIT], "wait", 4) != 0 && strncmp(fields[WAIT], "nowait", 6) != 0)
        return "the fourth field is neither wait nor nowait; inetd does not serve it either";
    return NULL;
}

struct protocol {
    const char *name;
    int type; // 0: any
    int kind; // of a door
    bool is_open;
};

static const struct protocol *find_protocol(const char *name, size_t length)
{
    static const struct protocol protocols[] = {
        {"tcp", SOCK_STREAM, DOOR_ANY, true},
        {"tcp4", SOCK_STREAM, DOOR_IPV4, false},
        {"tcp6", SOCK_STREAM, DOOR_IPV6, false},
        {"tcp46", SOCK_STREAM, DOOR_ANY, false},
        {"tcp6only", SOCK_STREAM, DOOR_IPV6, false},
        {"udp", SOCK_DGRAM, DOOR_ANY, true},
        {"udp4", SOCK_DGRAM, DOOR_IPV4, false},
        {"udp6", SOCK_DGRAM, DOOR_IPV6, false},
        {"udp46", SOCK_DGRAM, DOOR_ANY, false},
        {"udp6only", SOCK_DGRAM, DOOR_IPV6, false},
        {"unix", 0, DOOR_PATH, false},
    };

    for (size_t i = 0; i < ELEMENTS(protocols); i++)
        if (strlen(protocols[i].name) == length && memcmp(protocols[i].name, name, length) == 0)
            return &protocols[i];
    return NULL;
}

// A number, or a name of /etc/services; 0: there is none.
static unsigned find_port(const struct reading *reading, const char *service, int type)
{
    if (*service != '\0' && strspn(service, "0123456789") == strlen(service))
        return strlen(service) <= 5 && atoi(service) <= 65535 ? (unsigned)atoi(service) : 0;
    return reading->import->world->port(service, type);
}

static void listen_at(struct entry *entry, const struct protocol *protocol, char *host,
                      unsigned port)
{
    struct door door = {.kind = protocol->kind, .is_open = protocol->is_open, .port = port};
    size_t length = strlen(host);

    if (length > 1 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        host++;
    }
    if (strcmp(host, "0.0.0.0") == 0) {
        door.kind = DOOR_IPV4;
        door.is_open = false;
    } else if (*host != '\0' && strcmp(host, "*") != 0) {
        door.kind = DOOR_HOST;
        door.host = host;
        door.is_open = false;
    }
    entry_listen(entry, &door);
}

// "HOST,HOST:SERVICE"; hosts may be in brackets.
static void take_name(struct reading *reading, struct entry *entry, const struct protocol *protocol)
{
    const char *field = reading->fields.items[NAME], *colon = strrchr(field, ':');
    const char *service = colon ? colon + 1 : field;
    struct words hosts = {0};
    unsigned port;

    if (protocol->kind == DOOR_PATH) {
        entry_listen(entry, &(struct door){.kind = DOOR_PATH, .host = reading->fields.items[NAME]});
        return;
    }
    port = find_port(reading, service, entry->type);
    if (port == 0) {
        import_block(reading->import, entry, &reading->place,
                     "/etc/services has no port for \"%s\"; write its number in a listen, and "
                     "remove the # below",
                     service);
        return;
    }
    if (colon)
        words_split(&hosts, field, (size_t)(colon - field), ",");
    else if (reading->hosts)
        words_split(&hosts, reading->hosts, strlen(reading->hosts), ",");
    if (hosts.n == 0)
        words_add(&hosts, "*", 1);
    for (size_t i = 0; i < hosts.n; i++)
        listen_at(entry, protocol, hosts.items[i], port);
    words_done(&hosts);
}

// ",sndbuf=64k" behind the type or the protocol, ".40" or "/10/5" behind wait.
static void take_suffixes(struct reading *reading, struct entry *entry)
{
    char *const *fields = reading->fields.items;

    for (int i = TYPE; i <= PROTOCOL; i++)
        if (strchr(fields[i], ','))
            import_lose(reading->import, entry, &reading->place,
                        "%s: the kernel sizes buffers of connections by itself; for datagrams "
                        "set receive_buffer",
                        strchr(fields[i], ','));
    if (fields[WAIT][strcspn(fields[WAIT], ".:/")] != '\0')
        import_lose(reading->import, entry, &reading->place,
                    "%s: tcpd has no such rate, by which one client can switch a service off for "
                    "all; max_workers bounds how many are served at once",
                    fields[WAIT]);
}

static void take_user(struct reading *reading, struct entry *entry)
{
    const char *field = reading->fields.items[USER];
    size_t n = strcspn(field, ".:/"), group = strcspn(field + n + (field[n] != '\0'), "/");

    entry->user = text_make("%.*s", (int)n, field);
    if (field[n] == '.' || field[n] == ':')
        entry->group = text_make("%.*s", (int)group, field + n + 1);
    if (strchr(field, '/'))
        import_lose(reading->import, entry, &reading->place,
                    "%s: there are no login classes; set limit_nofile and the like",
                    strchr(field, '/'));
}

static void take_program(struct reading *reading, struct entry *entry)
{
    const struct words *fields = &reading->fields;
    bool has_quotes = false;

    entry->handler = "program";
    entry->program = text_make("%s", fields->items[PROGRAM]);
    for (size_t i = ARGUMENTS; i < fields->n; i++) {
        words_add(&entry->arguments, fields->items[i], strlen(fields->items[i]));
        has_quotes |= strpbrk(fields->items[i], "'\"") != NULL;
    }
    if (fields->n == ARGUMENTS)
        words_add(&entry->arguments, entry->program, strlen(entry->program));
    entry->waits = fields->items[WAIT][0] == 'w';
    take_user(reading, entry);
    if (has_quotes && !reading->is_off)
        import_note(reading->import, &reading->place,
                    "quotes are part of arguments, as with openbsd-inetd; other inetds take them "
                    "off");
    if (entry->type == SOCK_DGRAM && !entry->waits) {
        entry->waits = true; // what may work
        import_block(reading->import, entry, &reading->place,
                     "dgram nowait is a process for each datagram, whose sender may be forged; if "
                     "the program can do with wait, remove the # below");
    }
}

static bool take_internal(struct reading *reading, struct entry *entry)
{
    static const char *const handlers[] = {"echo", "discard", "chargen", "daytime", "time"};
    const char *field = reading->fields.items[NAME], *colon = strrchr(field, ':');

    for (size_t i = 0; i < ELEMENTS(handlers); i++)
        if (strcmp(colon ? colon + 1 : field, handlers[i]) == 0)
            entry->handler = handlers[i];
    if (!entry->handler)
        return false;
    if (strcmp(entry->handler, "daytime") == 0)
        import_lose(reading->import, entry, &reading->place,
                    "the text of daytime is another one: \"Saturday, November 21, 2026 "
                    "02:03:36-UTC\"; format = iso8601 has a third");
    return true;
}

static void take_entry(struct reading *reading)
{
    char *const *fields = reading->fields.items;
    const char *wrong = reading->fields.n <= PROGRAM
                            ? "it has fewer than six fields; inetd does not serve it either"
                            : refuse_kind(reading);
    const struct protocol *protocol;
    struct entry *entry;
    const char *name;

    if (wrong) {
        drop(reading, wrong);
        return;
    }
    protocol = find_protocol(fields[PROTOCOL], strcspn(fields[PROTOCOL], ","));
    name = strrchr(fields[NAME], protocol && protocol->kind == DOOR_PATH ? '/' : ':');
    entry = import_entry(reading->import, &reading->place, name ? name + 1 : fields[NAME]);
    entry->is_off = reading->is_off;
    entry->type = fields[TYPE][0] == 's' ? SOCK_STREAM : SOCK_DGRAM;
    entry->comment = import_plain(fields[NAME]);
    take_suffixes(reading, entry);
    if (strcmp(fields[PROGRAM], "internal") != 0)
        take_program(reading, entry);
    else if (!take_internal(reading, entry)) {
        entry->handler = "program";
        import_block(reading->import, entry, &reading->place,
                     "tcpd has no such internal service; find a program for it");
    }
    if (!protocol || (protocol->type != 0 && protocol->type != entry->type))
        import_block(reading->import, entry, &reading->place,
                     "%s %s is not served; there are stream with tcp, dgram with udp, and unix",
                     fields[TYPE], fields[PROTOCOL]);
    else
        take_name(reading, entry, protocol);
}

// A line "HOST:" alone counts for what follows.
static bool take_hosts(struct reading *reading)
{
    const char *field = reading->fields.items[0];
    size_t length = strlen(field);

    if (reading->fields.n != 1 || field[length - 1] != ':')
        return false;
    free(reading->hosts);
    reading->hosts = text_make("%.*s", (int)(length - 1), field);
    return true;
}

// An entry with the lines that go on with it; *line counts on. Returns where the next one begins.
static const char *read_entry(struct reading *reading, const char *from, int *line)
{
    const char *end = from, *begin = from;
    bool is_long = false;

    reading->place.line = *line;
    reading->is_off = strncmp(from, OFF, strlen(OFF)) == 0;
    if (reading->is_off)
        from += strlen(OFF);
    do {
        size_t length = strcspn(end, "\n");

        is_long |= length > IMPORT_LINE_MAX;
        end += length + (end[length] == '\n');
        ++*line;
    } while (!reading->is_off && (*end == ' ' || *end == '\t'));
    reading->source = text_make("%.*s", (int)(end - begin), begin);
    if (is_long)
        drop(reading, "it has a line of more than 65536 bytes; put the arguments into a script");
    else
        words_split(&reading->fields, from, (size_t)(end - from), " \t\r\n");
    if (reading->fields.n > 0 && !take_hosts(reading))
        take_entry(reading);
    words_done(&reading->fields);
    free(reading->source);
    return end;
}

void import_inetd(struct import *import, const char *file, const struct file_text *text)
{
    struct reading reading = {.import = import,
                              .place = {.file = import_file(import, file), .line = 1}};
    const char *at = text->bytes;
    int line = 1;

    while (*at != '\0')
        if (*at == '\n' || (*at == '#' && strncmp(at, OFF, strlen(OFF)) != 0)) {
            size_t length = strcspn(at, "\n");

            at += length + (at[length] == '\n');
            line++;
        } else
            at = read_entry(&reading, at, &line);
    free(reading.hosts);
}
