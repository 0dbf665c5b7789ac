// SPDX-License-Identifier: MIT
// A service of xinetd's on its way: its section, the defaults, and the entry that comes of it.
#pragma once

#include "import/import.h"
#include "import/xinetd_read.h"

struct xservice {
    struct import *import;
    const struct xsection *section;
    const struct xsection *defaults; // NULL: there are none
    struct entry *entry;             // what is said of the defaults themselves has a loose one
    bool is_defaults;
    bool is_inherited; // the attribute in hand comes from the defaults, where its losses are said
};

typedef void take_attribute(struct xservice *service, const struct xattribute *attribute);

// As import_lose() and import_block().
__attribute__((format(printf, 3, 4))) void xservice_lose(struct xservice *service,
                                                         const struct xattribute *attribute,
                                                         const char *format, ...);
__attribute__((format(printf, 3, 4))) void xservice_block(struct xservice *service,
                                                          const struct xattribute *attribute,
                                                          const char *format, ...);

// The value of an attribute that has one, of the section or else NULL.
const char *xsection_value(const struct xsection *section, const char *name);
// Whether an attribute has a word among its values.
bool xsection_has(const struct xsection *section, const char *name, const char *word);

// A list that += and -= change, with the defaults before it.
struct xword {
    const char *text;
    const struct xattribute *from;
    bool is_inherited;
};

struct xlist {
    struct xword *items;
    size_t n;
    const struct xattribute *last;      // what has set it last; NULL: nothing
    bool is_changed;                    // the service's own section is among that
    const struct xattribute *unmatched; // a -= of what is not there as it is written; NULL: none
};

struct xlist xlist_make(const struct xservice *service, const char *name);

// xinetd_socket.c: what it is and where it listens. False: nothing can be made of it, and that is
// said.
bool xservice_begin(struct xservice *service);
// xinetd_settings.c: all attributes, each in its turn, of the section and of the defaults; and what
// the defaults themselves lose.
void xservice_settings(struct xservice *service);
// xinetd_environment.c
take_attribute xservice_env, xservice_passenv;
// xinetd_access.c: also of the defaults, whose losses are said then.
void xservice_access(struct xservice *service);
