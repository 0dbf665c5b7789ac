// SPDX-License-Identifier: MIT
// Files that are in the input alone: a configuration is read from answers that were kept
// (base/answers.h), as the master reads it, and nothing is asked of the world.
#pragma once

#include <sys/mman.h>

#include "base/answers.h"
#include "base/base.h"
#include "base/problems.h"
#include "config/config.h"
#include "fuzz.h"
#include "handlers/handlers.h"

#define MAIN_FILE  "/c/main.conf"
#define GIVEN_MAX  4
#define GIVEN_NEXT "\n%%%%\n" // between files of the input

// The main file, one to include, and two that stand beside it.
static const char *const given_names[GIVEN_MAX] = {MAIN_FILE, "/c/inc.conf", MAIN_FILE ".d/a.conf",
                                                   MAIN_FILE ".d/b.conf"};

static inline void give_file(const char *name, const void *text, size_t size)
{
    const struct { // as base/file.c keeps it
        dev_t device;
        ino_t inode;
        mode_t mode;
    } its = {.inode = (ino_t)name[strlen(name) - strlen("a.conf")]}; // of its own
    const size_t head = sizeof(its);
    cleanup_free char *bytes = base_checked(calloc(1, head + size + 1));

    memcpy(bytes, &its, head);
    if (size > 0)
        memcpy(bytes + head, text, size);
    answers_note("the file", name, bytes, head + size);
}

// All that the input has.
static inline void give_files(const uint8_t *data, size_t size)
{
    static const char drop_ins[] = "a.conf\0b.conf";
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("given", MFD_CLOEXEC);
    MUST(fd >= 0 && ftruncate(fd, 0) == 0);
    answers_keep(-1);
    for (size_t i = 0; i < GIVEN_MAX; i++) {
        const uint8_t *next = memmem(data, size, GIVEN_NEXT, strlen(GIVEN_NEXT));
        size_t n = next ? (size_t)(next - data) : size;

        give_file(given_names[i], data, n);
        data += next ? n + strlen(GIVEN_NEXT) : n;
        size -= next ? n + strlen(GIVEN_NEXT) : n;
    }
    answers_note("the directory", MAIN_FILE ".d", drop_ins, sizeof(drop_ins));
    MUST(answers_write(fd) == 0 && answers_give(fd) == 0);
}

// All handlers, but none looks for what it would run.
static inline const struct handler *const *given_handlers(void)
{
    static struct handler copies[32];
    static const struct handler *table[32];

    for (size_t i = 0; handlers[i] && !table[i]; i++) {
        MUST(i + 1 < ELEMENTS(table));
        copies[i] = *handlers[i];
        if (copies[i].starts_processes || copies[i].loads_code)
            copies[i].prepare = NULL;
        table[i] = &copies[i];
    }
    return table;
}
