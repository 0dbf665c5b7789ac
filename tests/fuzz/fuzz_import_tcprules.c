// SPDX-License-Identifier: MIT
// Rules of tcprules, imported: import_given.h has what must hold.

#include "import/tcprules.h"
#include "import_given.h"

static void read_text(struct import *import, struct file_text *text)
{
    import_tcprules(import, MAIN_FILE, text);
    free(text->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return import_given(data, size, read_text);
}
