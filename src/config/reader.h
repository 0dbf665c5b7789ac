// SPDX-License-Identifier: MIT
// Reads files in the language of tcpd.conf, libconfuse's with stricter rules, and makes sections of
// them (section.h). It knows the language, not what sections mean.
#pragma once

#include "base/problems.h"
#include "config/section.h"

// What files may have.
struct reader_language {
    const struct section_kind *file; // the settings outside of all sections, by setting them anew
    void *file_values;               // each file overwrites what those before have set
    const struct section_kind *const *sections;
    size_t n_sections;
};

// What helps with a name that the language does not have there: "did you mean NAME?", of a setting
// of that kind of section or else of any, or where to look. Returns text.
const char *reader_hint(const struct reader_language *language, const struct section_kind *kind,
                        const char *name, char *text, size_t size);

struct reader;

struct reader *reader_new(const struct reader_language *language, struct problems *problems);

// Reads path, and whatever it includes: include("PATH"), relative to the file that says so. Blocks
// on the files only; logs nothing. What is wrong goes to problems; the rest is read all the same.
// In all files that one reader reads, a title may be given once for each kind of section.
void reader_file(struct reader *reader, const char *path);

// The same with a text that was read already, as a file of that name.
void reader_text(struct reader *reader, const char *name, const char *text);

// Returns NULL.
struct reader *reader_free(struct reader *reader);
