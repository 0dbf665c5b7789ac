// SPDX-License-Identifier: MIT
#include "base/own_object.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const char *const folders[] = {"private", "../lib/tcpd/private", "../../lib/tcpd/private"};

// The folder of this program's own file.
static int find_own_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    char *slash;

    if (n < 0)
        return -1;
    folder[n] = '\0';
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    return 0;
}

static void *open_object(const char *name, char *why, size_t size)
{
    char folder[PATH_MAX], path[PATH_MAX + 64];
    void *object;

    if (find_own_folder(folder, sizeof(folder)) < 0) {
        (void)snprintf(why, size, "/proc/self/exe, by which it is found, cannot be read");
        return NULL;
    }
    for (size_t i = 0; i < ELEMENTS(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s/%s.so", folder, folders[i], name);
        if (access(path, F_OK) == 0)
            break;
    }
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL); // what is missing, it says itself
    if (!object)
        (void)snprintf(why, size, "%s", dlerror());
    return object;
}

const void *own_object_load(const char *name, const char *symbol, char *why, size_t size)
{
    void *object = open_object(name, why, size);
    const char *const *face = object ? dlsym(object, symbol) : NULL;

    if (face && strcmp(*face, TCPD_VERSION) == 0)
        return face;
    if (!object)
        return NULL;
    (void)snprintf(why, size, "%s.so is of another version of tcpd", name);
    (void)dlclose(object);
    return NULL;
}
