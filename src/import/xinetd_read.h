// SPDX-License-Identifier: MIT
// The language of xinetd.conf, with its includes: texts to sections, which know no attribute.
// Without memory the process ends.
#pragma once

#include "base/file.h"
#include "import/import.h"

enum xop { XOP_SET, XOP_ADD, XOP_REMOVE };

struct xattribute {
    struct place place;
    char *name;
    enum xop op;
    struct words values;
};

struct xsection {
    enum { XSECTION_SERVICE, XSECTION_DEFAULTS, XSECTION_BROKEN } kind;
    struct place place;
    char *name;   // of a service
    char *source; // its lines
    char *wrong;  // why it is broken
    bool is_off;  // disable = yes
    struct xattribute *attributes;
    size_t n;
};

struct xsections {
    struct xsection *items;
    size_t n;
};

// Reads a text without NUL bytes, which it frees, and what that includes.
void xinetd_read(struct import *import, const char *file, struct file_text *text,
                 struct xsections *ret);
void xsections_done(struct xsections *sections);

// Of the attributes of that name that are set with =, the first one; NULL: there is none.
const struct xattribute *xsection_find(const struct xsection *section, const char *name);
