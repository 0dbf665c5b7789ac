// SPDX-License-Identifier: MIT
// The text of a configuration file before libconfuse sees it. Pure.
#pragma once

// Blanks comments (# and // to the end of the line, /* to */) in place, as the library counts their
// lines wrongly, and refuses what its lexer would drop without a word: a * or + outside quotes.
// NULL, or a constant text of what is wrong, with its line in *ret_line.
const char *config_text_clean(char *text, int *ret_line);
