// SPDX-License-Identifier: MIT
// inetd.conf, as openbsd-inetd reads it, with what inetutils and the BSDs have besides.
#pragma once

#include "base/file.h"
#include "import/import.h"

// Reads a text without NUL bytes into the import.
void import_inetd(struct import *import, const char *file, const struct file_text *text);
