// SPDX-License-Identifier: MIT
// From services to the text of a configuration. First what lies between them is settled, names and
// addresses, and what this machine lacks; then each section is written, as a comment where it is
// not served.

#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/base.h"
#include "import/import.h"

#define NAME_MAX_LENGTH 60   // room for what makes it the only one
#define SERVICES_MAX    1000 // tcpd.conf has 1024 sections and addresses at most
#define ARGUMENT_MAX    131071
#define ARGUMENTS_MAX   (1024 * 1024) // of all, well below a quarter of the stack

static const char characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool is_active(const struct entry *entry)
{
    return entry && !entry->is_off && !entry->why_not;
}

// What the shipped configuration has, beside which the output may stand, is taken, too.
static bool is_taken(const struct import *import, const struct entry *entry, const char *name)
{
    static const char *const shipped[] = {"chargen",  "daytime", "discard", "echo",
                                          "greeting", "hello",   "status",  "time"};

    for (size_t i = 0; i < ELEMENTS(shipped); i++)
        if (strcmp(shipped[i], name) == 0)
            return true;
    for (size_t i = 0; import->items[i].entry != entry; i++)
        if (import->items[i].entry && strcmp(import->items[i].entry->name, name) == 0)
            return true;
    return false;
}

// Names are unique also where services are off, as somebody may switch them on.
static void settle_name(const struct import *import, struct entry *entry)
{
    cleanup_free char *name = text_make("%.*s", NAME_MAX_LENGTH,
                                        *entry->name != '\0' ? entry->name : "-");
    cleanup_free char *base = NULL;

    for (char *p = name; *p != '\0'; p++)
        if (!strchr(characters, *p))
            *p = '-';
    base = text_make("%s", name);
    for (unsigned n = 1; is_taken(import, entry, name); n++) {
        free(name);
        name = n > 1                       ? text_make("%s-%u", base, n)
               : entry->type == SOCK_DGRAM ? text_make("%s-udp", base)
                                           : text_make("%s-tcp", base);
    }
    free(entry->name);
    entry->name = name;
    name = NULL;
}

// A door that stands open to all gives way to services for the one family at the same port, as
// "tcp" does where there is a line for "tcp6" as well.
static void narrow(const struct import *import, const struct entry *entry, struct door *door)
{
    for (size_t i = 0; i < import->n_items && door->is_open; i++) {
        const struct entry *other = import->items[i].entry;

        for (size_t d = 0; is_active(other) && other != entry && d < other->n_doors; d++) {
            const struct door *theirs = &other->doors[d];

            if (other->type != entry->type || theirs->port != door->port ||
                (theirs->kind != DOOR_IPV4 && theirs->kind != DOOR_IPV6) || theirs->is_open)
                continue;
            door->kind = theirs->kind == DOOR_IPV4 ? DOOR_IPV6 : DOOR_IPV4;
            return; // still open: it may be taken after all
        }
    }
}

// As tcpd finds it, which compares the texts.
static bool is_same_door(const struct door *a, const struct door *b)
{
    if (a->kind == DOOR_PATH || b->kind == DOOR_PATH)
        return a->kind == b->kind && strcmp(a->host, b->host) == 0;
    if (a->port != b->port || a->port == 0)
        return false;
    if (a->kind == DOOR_ANY || b->kind == DOOR_ANY)
        return true;
    return a->kind == b->kind && (a->kind != DOOR_HOST || strcmp(a->host, b->host) == 0);
}

static const struct entry *find_owner(const struct import *import, const struct entry *entry,
                                      const struct door *door)
{
    for (size_t i = 0; i < import->n_items; i++) {
        const struct entry *other = import->items[i].entry;

        for (size_t d = 0; other && d < other->n_doors; d++) {
            if (&other->doors[d] == door)
                return NULL;
            if ((other == entry || is_active(other)) && other->type == entry->type &&
                is_same_door(&other->doors[d], door))
                return other;
        }
    }
    return NULL;
}

// Of two services with one address the first has it.
static void settle_doors(struct import *import, struct entry *entry)
{
    for (size_t d = 0; d < entry->n_doors;) {
        struct door *door = &entry->doors[d];
        const struct entry *owner;

        narrow(import, entry, door);
        owner = find_owner(import, entry, door);
        if (!owner) {
            d++;
            continue;
        }
        if (entry->n_doors == 1) {
            import_block(import, entry, &entry->place,
                         "its address is that of service \"%s\", %s:%d; keep one of them",
                         owner->name, owner->place.file, owner->place.line);
            return;
        }
        if (owner != entry)
            import_lose(import, entry, &entry->place,
                        "one of its addresses is that of service \"%s\", %s:%d; it has the others",
                        owner->name, owner->place.file, owner->place.line);
        free(door->host);
        memmove(door, door + 1, (--entry->n_doors - d) * sizeof(*door));
    }
}

// The text of an address, owned.
static char *spell_door(const struct entry *entry, const struct door *door)
{
    bool has_colon = door->kind == DOOR_HOST && strchr(door->host, ':');
    const char *host = door->kind == DOOR_ANY    ? "*"
                       : door->kind == DOOR_IPV4 ? "0.0.0.0"
                       : door->kind == DOOR_IPV6 ? "[::]"
                                                 : door->host;

    if (door->kind == DOOR_PATH)
        return text_make("unix%s:%s", entry->type == SOCK_DGRAM ? "-dgram" : "", door->host);
    return text_make("%s%s%s%s:%u", entry->type == SOCK_DGRAM ? "udp:" : "", has_colon ? "[" : "",
                     host, has_colon ? "]" : "", door->port);
}

static void look_at_doors(struct import *import, struct entry *entry)
{
    for (size_t d = 0; d < entry->n_doors && !entry->why_not; d++) {
        const struct door *door = &entry->doors[d];
        cleanup_free char *text = spell_door(entry, door);
        struct address_spec spec;
        const char *wrong = address_parse(text, &spec);

        if (wrong)
            import_block(import, entry, &entry->place, "its address \"%s\": %s", text, wrong);
        else if (door->kind == DOOR_HOST && !import->world->has_host(door->host))
            import_block(import, entry, &entry->place,
                         "the address %s is not found; write a number, and remove the # below",
                         door->host);
        else if (door->kind == DOOR_HOST && !strchr(door->host, ':') &&
                 strspn(door->host, "0123456789.") != strlen(door->host))
            import_note(import, &entry->place, "the name %s is looked up whenever tcpd starts",
                        door->host);
    }
}

static const char *refuse_arguments(const struct entry *entry)
{
    size_t size = 0;

    for (size_t i = 0; i < entry->arguments.n; i++) {
        size_t length = strlen(entry->arguments.items[i]);

        if (length > ARGUMENT_MAX)
            return "an argument has more than 131071 bytes; put it into a script";
        size += length;
    }
    return size > ARGUMENTS_MAX ? "its arguments are too long; put them into a script" : NULL;
}

// What `tcpd -t` would refuse on this machine.
static void look_around(struct import *import, struct entry *entry)
{
    const struct world *world = import->world;
    cleanup_free char *user = NULL, *program = NULL;

    look_at_doors(import, entry);
    if (!entry->program || entry->why_not)
        return;
    if (refuse_arguments(entry))
        import_block(import, entry, &entry->place, "%s", refuse_arguments(entry));
    user = world->refuse_user(entry->user, entry->group);
    if (user)
        import_block(import, entry, &entry->place, "%s; set that right, and remove the # below",
                     user);
    else
        program = world->refuse_program(entry->program, entry->user, entry->group);
    if (program)
        import_block(import, entry, &entry->place, "%s; set that right, and remove the # below",
                     program);
    if (is_active(entry) && entry->user && !import->has_noted_user) {
        import->has_noted_user = true;
        import_note(import, &entry->place,
                    "user = %s: a tcpd that does not run as root, as that of the shipped unit, "
                    "refuses it; set User= in programs.conf, and take the lines with user out",
                    entry->user);
    }
}

static void settle(struct import *import)
{
    for (size_t i = 0; i < import->n_items; i++) {
        struct entry *entry = import->items[i].entry;

        if (!entry)
            continue;
        settle_name(import, entry);
        if (is_active(entry))
            look_around(import, entry);
    }
    for (size_t i = 0; i < import->n_items; i++) {
        struct entry *entry = import->items[i].entry;

        if (is_active(entry))
            settle_doors(import, entry);
        if (is_active(entry) && import->n_served == SERVICES_MAX)
            import_block(import, entry, &entry->place,
                         "there are more than %d services; import it by itself, for another tcpd",
                         SERVICES_MAX);
        import->n_served += is_active(entry);
    }
}

static void write_doors(const struct entry *entry, struct text *section)
{
    text_add(section, "    listen = {");
    for (size_t d = 0; d < entry->n_doors; d++) {
        cleanup_free char *address = spell_door(entry, &entry->doors[d]);

        text_add(section, "%s", d > 0 ? ", " : "");
        text_add_quoted(section, address);
    }
    text_add(section, "}\n");
}

static void write_program(const struct entry *entry, struct text *section)
{
    bool is_named = entry->arguments.n > 0 &&
                    strcmp(entry->arguments.items[0], entry->program) != 0;
    cleanup_free char *path = text_make("%s%s", is_named ? "@" : "", entry->program);

    text_add(section, "    program = {");
    text_add_quoted(section, path);
    for (size_t i = !is_named; i < entry->arguments.n; i++) {
        text_add(section, ", ");
        text_add_quoted(section, entry->arguments.items[i]);
    }
    text_add(section, "}\n");
    if (entry->waits)
        text_add(section, "    program_mode = \"wait\"\n");
    text_add(section, "    kill_mode = \"none\"    # what it leaves running lives on, as before\n");
    if (entry->user) {
        text_add(section, "    user = ");
        text_add_quoted(section, entry->user);
        text_add(section, "\n");
    }
    if (entry->group) {
        text_add(section, "    group = ");
        text_add_quoted(section, entry->group);
        text_add(section, "\n");
    }
}

static void write_entry(const struct entry *entry, struct text *text)
{
    const char *prefix = is_active(entry) ? "" : "#";
    struct text section = {0};

    text_add(text, "\n# %s:%d%s%s\n", entry->place.file, entry->place.line,
             entry->comment ? ": " : "", entry->comment ? entry->comment : "");
    if (entry->is_off)
        text_add(text, "# It was off there. To serve it, remove the # below.\n");
    if (entry->why_not)
        text_add(text, "# NOT IMPORTED: %s\n", entry->why_not);
    text_add(&section, "service \"%s\" {\n    handler = \"%s\"\n", entry->name, entry->handler);
    if (entry->program)
        write_program(entry, &section);
    if (entry->n_doors > 0)
        write_doors(entry, &section);
    if (entry->lines.n > 0)
        text_add_bytes(&section, entry->lines.bytes, entry->lines.n);
    text_add(&section, "}\n");
    text_add_lines(text, prefix, section.bytes, section.n);
    text_done(&section);
}

void import_write(struct import *import, struct text *ret)
{
    bool logs = false;

    settle(import);
    for (size_t i = 0; i < import->n_items; i++)
        logs |= is_active(import->items[i].entry) && import->items[i].entry->logs;
    text_add(ret,
             "# Made by tcpd-import. What it could not take over begins with NOT IMPORTED.\n"
             "# A client that takes none of a program's output for 30s is reset, which those\n"
             "# before did not do; send_timeout = 0 in a service waits as long as they did.\n");
    if (logs)
        text_add(ret,
                 "\nlog_sessions = \"all\"    # of all services, as log_on_success asks for\n");
    for (size_t i = 0; i < import->n_items; i++) {
        const struct item *item = &import->items[i];

        if (item->entry)
            write_entry(item->entry, ret);
        else
            text_add_bytes(ret, item->text.bytes, item->text.n);
    }
}
