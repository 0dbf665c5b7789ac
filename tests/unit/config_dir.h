// SPDX-License-Identifier: MIT
// A directory of configuration files for one test, and checks of the problems found in them.
#pragma once

#include <ftw.h>
#include <sys/stat.h>

#include "config/config.h"
#include "unit.h"

#define CONFIG_DIR "/tmp/tcpd-test-config.XXXXXX"

static char config_dir[sizeof(CONFIG_DIR)];

static inline int config_dir_make(void **state)
{
    (void)state;
    memcpy(config_dir, CONFIG_DIR, sizeof(config_dir));
    return mkdtemp(config_dir) ? 0 : -1;
}

static inline int config_dir_remove_one(const char *path, const struct stat *status, int type,
                                        struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static inline int config_dir_remove(void **state)
{
    (void)state;
    return nftw(config_dir, config_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

// The path of a file below the directory, in a buffer that the next call overwrites.
static inline const char *config_dir_path(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", config_dir, name);
    return path;
}

// Writes a file; its directory, if it has one of its own, is made.
static inline void config_dir_write(const char *name, const void *text, size_t size)
{
    char parent[256] = "";
    FILE *file;

    if (strchr(name, '/')) {
        (void)snprintf(parent, sizeof(parent), "%s/%.*s", config_dir,
                       (int)(strrchr(name, '/') - name), name);
        (void)mkdir(parent, 0700); // it may be there already
    }
    file = fopen(config_dir_path(name), "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
