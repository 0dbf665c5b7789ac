// SPDX-License-Identifier: MIT
// What the reader's files share: reader.c (files and their parsers), reader_values.c (what the
// library hands over), reader_errors.c (what it complains about).
#pragma once

#include <confuse.h>
#include <stdarg.h>

#include "config/reader.h"

// Stands behind the last line of every file: libconfuse takes the end of the file for the missing
// brace of a section, and then meets this name inside it.
#define SENTINEL "__end_of_file"

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
    struct section *own;   // what stands outside of all sections
    struct section *open;  // the section that is open, NULL: none
    int open_line;         // where it opens
    struct list *lists;    // of the open section
    char unknown_name[64]; // the last one, with the quote the library puts behind it
    int n_lines;
    int error_line;     // where the library last found something wrong
    unsigned n_unknown; // names that the language does not have
    bool given_up;      // nothing more of it is read
};

struct reader {
    const struct reader_language *language;
    struct problems *problems;
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
// The file's last line: the library has read on to the sentinel, or beyond it.
int reader_last_line(const cfg_t *cfg);
bool reader_knows(const struct section_kind *kind, const char *name);
// The kind of section that has the setting, NULL: none has.
const struct section_kind *reader_find_home(const struct reader_language *language,
                                            const char *name);

// --- Callbacks of the library ---
void reader_on_error(cfg_t *cfg, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
int reader_on_value(cfg_t *cfg, cfg_opt_t *opt);
int reader_on_section(cfg_t *cfg, cfg_opt_t *opt);

// Gives up the section that is open, if any.
void reader_forget_open(struct file *file);
