// SPDX-License-Identifier: MIT
// The kinds of sections of tcpd.conf, and what becomes of each at its end: the table for whoever
// makes a configuration, of files (config.c) or of a command line (run/).
#pragma once

#include "config/config.h"
#include "config/reader.h"

enum { SECTION_SERVICE, SECTION_CERTIFICATE, SECTION_KINDS };

// The language of one configuration, into which each section's end puts what was read.
struct config_sections {
    struct config *config;
    const struct handler *const *handlers;
    struct problems *problems;
    struct section_kind file, kinds[SECTION_KINDS];
    const struct section_kind *table[SECTION_KINDS];
    struct variant *variants; // one for each handler
    struct reader_language language;
};

// Begins a configuration, which has its defaults and is the caller's: ret->config. ret must not
// move.
void config_sections_open(struct config_sections *ret, const struct handler *const *handlers,
                          struct problems *problems);
// Everything was read: checks what lies between sections.
void config_sections_close(struct config_sections *sections);
