// SPDX-License-Identifier: MIT
// dlopen(3) takes names only, so it gets the one of the open descriptor in /proc: what is loaded is
// the file that was judged, whatever has taken its place meanwhile. Logs nothing.

#include "module/module_load.h"

#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "module/module_file.h"

#define SYMBOL     "tcpd_handler"
#define OLDEST_ABI 1

struct complaint {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void complain(const struct complaint *complaint,
                                                           const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(complaint->text, complaint->size, format, arguments);
    va_end(arguments);
}

static bool check_face(const struct tcpd_handler *face, const struct complaint *complaint)
{
    if (!face)
        complain(complaint, "exports no " SYMBOL);
    else if (face->abi < OLDEST_ABI || face->abi > TCPD_HANDLER_ABI)
        complain(complaint, "was built for version %u of the interface; this tcpd has version %u",
                 face->abi, TCPD_HANDLER_ABI);
    else if (!face->serve)
        complain(complaint, "has no serve()");
    else
        return true;
    return false;
}

// Writes text with each `from` in it replaced by `to`.
static void replace(const char *text, const char *from, const char *to, char *ret, size_t size)
{
    size_t used = 0;
    const char *at;

    ret[0] = '\0';
    while ((at = strstr(text, from)) != NULL && used < size) {
        used += (size_t)snprintf(ret + used, size - used, "%.*s%s", (int)(at - text), text, to);
        text = at + strlen(from);
    }
    if (used < size)
        (void)snprintf(ret + used, size - used, "%s", text);
}

// Whether the name leads to what the descriptor is.
static bool is_name_of(const char *name, int fd)
{
    struct stat named, held;

    return stat(name, &named) == 0 && fstat(fd, &held) == 0 && named.st_dev == held.st_dev &&
           named.st_ino == held.st_ino;
}

// To whoever asks the loader, dladdr(3) or a debugger, the module has the path of the
// configuration.
static void rename_library(void *library, const char *name, const char *path)
{
    struct link_map *map;
    char *copy;

    if (dlinfo(library, RTLD_DI_LINKMAP, &map) < 0 || strcmp(map->l_name, name) != 0)
        return; // an object that was loaded before has a name
    copy = strdup(path);
    if (copy)
        map->l_name = copy; // neither is ever freed: modules stay loaded
}

static void *load(int fd, const char *path, const struct complaint *complaint)
{
    char name[sizeof("/proc/self/fd/") + 10], reason[MODULE_WRONG_SIZE];
    void *library;

    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (!is_name_of(name, fd)) {
        complain(complaint, "cannot be loaded: that needs /proc, which is not mounted");
        return NULL;
    }
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library) {
        rename_library(library, name, path);
        return library;
    }
    replace(dlerror(), name, path, reason, sizeof(reason)); // there is one
    complain(complaint, "cannot be loaded: %s", reason);
    return NULL;
}

const struct tcpd_handler *module_load(const char *path, char *ret_wrong, size_t size)
{
    const struct complaint complaint = {ret_wrong, size};
    cleanup_close int fd = module_file_open(path, ret_wrong, size);
    void *library = fd >= 0 ? load(fd, path, &complaint) : NULL;
    const struct tcpd_handler *face;

    if (!library)
        return NULL;
    face = dlsym(library, SYMBOL);
    return check_face(face, &complaint) ? face : NULL;
}
