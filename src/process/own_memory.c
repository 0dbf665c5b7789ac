// SPDX-License-Identifier: MIT
// Mappings with MADV_DONTFORK, madvise(2).

#include "process/own_memory.h"

#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

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

static bool is_masters_library(const char *path)
{
    static const char *const names[] = {
        "libconfuse.so.", "libcap.so.",  "libgcrypt.so.", "libgpg-error.so.",
        "liblz4.so.",     "liblzma.so.", "libzstd.so.",
    };
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static int claim(struct dl_phdr_info *info, size_t size, void *userdata)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const int *advice = userdata;

    (void)size;
    if (!is_masters_library(info->dlpi_name))
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + header->p_vaddr) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + header->p_vaddr + header->p_memsz + page - 1) &
                        ~(page - 1);

        if (header->p_type == PT_LOAD)
            (void)madvise((void *)begin, end - begin, *advice); // as above
    }
    return 0;
}

bool own_memory_claim_libraries(bool mine)
{
    static bool are_mine; // what the kernel cannot be asked
    bool before = are_mine;
    int advice = mine ? MADV_DONTFORK : MADV_DOFORK;

    if (mine != before)
        (void)dl_iterate_phdr(claim, &advice);
    are_mine = mine;
    return before;
}
