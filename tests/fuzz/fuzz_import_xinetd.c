// SPDX-License-Identifier: MIT
// xinetd.conf with a file that it may include, imported: import_given.h has what must hold.

#include "import/xinetd.h"
#include "import_given.h"

static void read_text(struct import *import, struct file_text *text)
{
    import_xinetd(import, MAIN_FILE, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return import_given(data, size, read_text);
}
