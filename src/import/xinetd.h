// SPDX-License-Identifier: MIT
// xinetd.conf and what it includes.
#pragma once

#include "base/file.h"
#include "import/import.h"

// Reads a text without NUL bytes, which it frees, into the import.
void import_xinetd(struct import *import, const char *file, struct file_text *text);
