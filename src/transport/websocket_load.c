// SPDX-License-Identifier: MIT
#include "transport/websocket_load.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

// As it is built, and as it is installed: /usr/libexec/tcpd/tcpd has /usr/lib/tcpd/private.
static const char *const folders[] = {"private", "../../lib/tcpd/private"};

// The folder of tcpd's own file.
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

static void *open_object(char *why, size_t size)
{
    char folder[PATH_MAX], path[PATH_MAX + 64];
    void *object = NULL;

    if (find_own_folder(folder, sizeof(folder)) < 0) {
        (void)snprintf(why, size, "/proc/self/exe, by which it is found, cannot be read");
        return NULL;
    }
    for (size_t i = 0; i < ELEMENTS(folders) && !object; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s/websocket.so", folder, folders[i]);
        if (access(path, F_OK) == 0 || i + 1 == ELEMENTS(folders))
            object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        else
            continue;
        if (!object)
            (void)snprintf(why, size, "%s", dlerror());
        break;
    }
    return object;
}

const struct websocket_face *websocket_load(char *why, size_t size)
{
    static const struct websocket_face *face;
    void *object;

    if (face)
        return face;
    object = open_object(why, size);
    if (!object)
        return NULL;
    face = dlsym(object, "tcpd_websocket");
    if (face && strcmp(face->version, TCPD_VERSION) == 0)
        return face;
    (void)snprintf(why, size, "websocket.so is of another version of tcpd");
    face = NULL;
    (void)dlclose(object);
    return NULL;
}
