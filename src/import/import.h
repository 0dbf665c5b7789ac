// SPDX-License-Identifier: MIT
// What the readers of inetd.conf, xinetd.conf and rules of tcprules make: services as tcpd.conf has
// them, in the order in which they were read. What cannot be had is a line of warning, and a
// comment at its place. What would let in more than before is not served: its section is a comment.
// Without memory the process ends.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/problems.h"
#include "import/features.h"
#include "import/networks.h"
#include "import/text.h"
#include "import/world.h"

#define IMPORT_FILE_MAX (4 * 1024 * 1024) // bytes of a file that is read
#define IMPORT_LINE_MAX (64 * 1024)       // bytes of a line

// Where a service listens.
struct door {
    enum { DOOR_ANY, DOOR_IPV4, DOOR_IPV6, DOOR_HOST, DOOR_PATH } kind;
    bool is_open; // DOOR_ANY that nobody has asked for: it gives way to others at its port
    char *host;   // a host or a path
    unsigned port;
};

struct entry {
    struct place place;
    char *name;    // of the service, as it was found
    char *comment; // a plain text behind its place
    const char *handler;
    int type; // SOCK_STREAM, SOCK_DGRAM
    bool waits;
    bool is_off;   // there, too
    char *why_not; // NULL: it is served
    char *user, *group;
    char *program;
    struct words arguments; // the first one is argv[0]
    struct door *doors;
    size_t n_doors;
    bool logs;         // sessions
    struct text lines; // settings and comments, in the order of what they come from
};

struct item {
    struct entry *entry; // NULL: text is a comment that stands for itself
    struct text text;
};

struct import {
    const struct features *features;
    const struct world *world;
    FILE *said; // warnings go there
    size_t n_losses;
    size_t n_served;
    bool has_noted_user;
    struct item *items;
    size_t n_items;
    struct words files; // the names that places have
};

// An owned copy of a text that is one line of printing characters.
char *import_plain(const char *words);

// A name for places, kept until import_done().
const char *import_file(struct import *import, const char *file);

// A new service, which the import owns.
struct entry *import_entry(struct import *import, const struct place *place, const char *name);

// Adds the line of a setting.
__attribute__((format(printf, 3, 4))) void entry_set(struct entry *entry, const char *name,
                                                     const char *format, ...);
// The same of a list, if there is anything in it.
void entry_set_networks(struct entry *entry, const char *name, const struct networks *networks);
void entry_listen(struct entry *entry, const struct door *door); // copies it

// Something is lost: of a service, which is served without it, or else (entry NULL) at the top.
__attribute__((format(printf, 4, 5))) void import_lose(struct import *import, struct entry *entry,
                                                       const struct place *place,
                                                       const char *format, ...);
// A service cannot be served as it is. The first reason counts.
__attribute__((format(printf, 4, 5))) void import_block(struct import *import, struct entry *entry,
                                                        const struct place *place,
                                                        const char *format, ...);
// What nothing can be made of: its text becomes a comment. Nothing is lost of what was off.
__attribute__((format(printf, 5, 6))) void import_drop(struct import *import,
                                                       const struct place *place,
                                                       const char *source, bool is_off,
                                                       const char *format, ...);
// A remark, by which nothing is lost.
__attribute__((format(printf, 3, 4))) void
import_note(struct import *import, const struct place *place, const char *format, ...);
// A comment at the top.
void import_comment(struct import *import, const char *text);
// What keeps a file from being read. Returns EX_CONFIG.
__attribute__((format(printf, 3, 4))) int
import_error(struct import *import, const struct place *place, const char *format, ...);

// Settles what lies between services, and writes all of them.
void import_write(struct import *import, struct text *ret);
void import_done(struct import *import);
