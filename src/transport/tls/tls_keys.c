// SPDX-License-Identifier: MIT
// Where private keys are: OPENSSL_secure_malloc(3), into which OpenSSL puts the private parts of
// keys by itself. Its region is one mapping, so that who needs no key can be rid of all of them.
// What OpenSSL leaves of a key in ordinary memory while it reads one is overwritten.

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "transport/tls/tls_private.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ // as gcc says it
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define HEAP_SIZE   (1024 * 1024) // 1,000 keys with 2048 bits; what is not used costs nothing
#define HEAP_PIECES 32
#define PART_MAX    1024 // of a key, which has several: RSA with 8192 bits

static struct {
    uintptr_t start, end; // both 0: there is none
} heap;

static bool is_wiping;

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    if (is_wiping && memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void *reallocate(void *memory, size_t size, const char *file, int line)
{
    size_t before = memory ? malloc_usable_size(memory) : 0;
    void *moved;

    if (!is_wiping || !memory)
        return realloc(memory, size);
    moved = malloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, memory, before < size ? before : size);
    release(memory, file, line);
    return moved;
}

bool tls_keys_have_room(void)
{
    void *part = OPENSSL_secure_malloc(PART_MAX);
    bool has_room = part != NULL;

    OPENSSL_secure_free(part);
    return has_room;
}

void tls_keys_wipe(bool on)
{
    is_wiping = on;
}

// The mapping that an address is in.
static void find_heap(const void *inside)
{
    uintptr_t address = (uintptr_t)inside;
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];

    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long start, end;

        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && address >= start && address < end) {
            heap.start = start;
            heap.end = end;
            break;
        }
    }
    if (maps)
        (void)fclose(maps);
}

void tls_keys_prepare(void)
{
    void *inside;

    (void)CRYPTO_set_mem_functions(allocate, reallocate, release); // too late: nothing is lost
    // Who forgets its keys has nothing that could be cleaned up at its end.
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    if (heap.start != 0 || CRYPTO_secure_malloc_init(HEAP_SIZE, HEAP_PIECES) == 0)
        return;
    inside = OPENSSL_secure_malloc(1);
    if (inside && CRYPTO_secure_allocated(inside))
        find_heap(inside);
    OPENSSL_secure_free(inside);
#ifdef __SANITIZE_ADDRESS__
    __lsan_register_root_region((void *)heap.start, heap.end - heap.start);
#endif
}

// OpenSSL's random numbers need that region as well: who may use it frees the keys alone.
void tls_keys_forget(bool may_use_library)
{
    if (may_use_library)
        tls_server_unload_all();
    else if (heap.start != 0)
        (void)munmap((void *)heap.start, heap.end - heap.start);
}
