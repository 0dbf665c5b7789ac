// SPDX-License-Identifier: MIT
// Rules of tcprules, which tcpserver goes by.
#pragma once

#include "base/file.h"
#include "import/import.h"

// Reads a text without NUL bytes into the import, as the lists of one service.
void import_tcprules(struct import *import, const char *file, const struct file_text *text);
