// SPDX-License-Identifier: MIT
// What the reader's files share: reader.c (files and their parsers), reader_values.c (what the
// library hands over), reader_names.c (names of the language). Its grammar is in files of its own.
#pragma once

#include <confuse.h>

#include "config/reader.h"

// How far a list of values was read.
struct list {
    char *name;
    size_t n;   // values seen, right or wrong
    bool ended; // by its closing brace
    char *last; // the last of them
    struct list *next;
};

// A section that was read whole.
struct title {
    const struct section_kind *kind;
    char *text;
    char *file; // where it begins
    int line;
    struct title *next;
};

// A parser that has done its work. cfg_free() takes the lexer away from all others, so it waits
// until no file is being read.
struct parser {
    cfg_t *cfg;
    struct parser *next;
};

// A file that is being read.
struct file {
    struct file *includer;
    struct reader *reader;
    const char *path;
    dev_t device;
    ino_t inode;
    cfg_t *cfg;
    struct section *own;  // what stands outside of all sections
    struct section *open; // the section that is open, NULL: none
    struct list *lists;   // of the open section
    bool given_up;        // nothing more of it is read
};

struct reader {
    const struct reader_language *language;
    struct problems *problems;
    cfg_opt_t *options; // that a file may have, for each parser to copy; NULL: none was needed yet
    struct title *titles;
    struct parser *used;
    int depth;       // of files that include each other
    unsigned n_read; // files
    size_t n_bytes;  // in them
    unsigned n_sections, n_addresses;
    bool bounded; // a bound was met: no further file is read
};

// The configuration has more than may be of something: nothing more of any file is read.
void reader_stop(struct reader *reader, const struct place *place, const char *more_than_what);

// libconfuse hands callbacks no context of ours, hence the pointer.
extern struct file *reader_reading;

// The kind of section that cfg, a parser or a section of one, belongs to.
const struct section_kind *reader_kind_of(const cfg_t *cfg);
bool reader_knows(const struct section_kind *kind, const char *name);
// The kind of section that has the setting, NULL: none has.
const struct section_kind *reader_find_home(const struct reader_language *language,
                                            const char *name);

// --- Callbacks of the library ---
int reader_on_value(cfg_t *cfg, cfg_opt_t *opt);
int reader_on_section(cfg_t *cfg, cfg_opt_t *opt);

// Gives up the section that is open, if any.
void reader_forget_open(struct file *file);
