// SPDX-License-Identifier: MIT
// What a file may be made of: options with their values, sections, include(). What is not so is
// refused, with its line and what to write instead.
#pragma once

#include "config/reader.h"

// A text, the caller's, of what is right in a text that config_text_clean() has left: the library
// finds no error of syntax in it, no option that it does not know, and no two sections of one name.
// Each thing keeps its line. The title of a section has its line and a colon in front. What is
// wrong goes to problems; when there is no more room in them the rest is left out.
char *reader_grammar(const struct reader_language *language, const char *text, const char *path,
                     struct problems *problems);
