// SPDX-License-Identifier: MIT
// Private anonymous mappings with MADV_DONTFORK, madvise(2).

#include "own_memory.h"

#include <sys/mman.h>

void *own_memory_new(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, size, MADV_DONTFORK); // without it all works, and workers are larger
    return memory;
}

void own_memory_free(void *memory, size_t size)
{
    if (memory)
        (void)munmap(memory, size); // a valid mapping
}
